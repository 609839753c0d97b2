#include "files/html.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace sparse_transformer {
namespace {

std::string address_of(const std::string& content) {
  return data_address("text/plain", std::as_bytes(std::span(content)));
}

TEST(Html, EscapesWhatWouldBeMarkup) {
  EXPECT_EQ(escape_html("a<b> & \"c\" 'd'"), "a&lt;b&gt; &amp; &quot;c&quot; &#39;d&#39;");
  EXPECT_EQ(escape_html("</pre><script>"), "&lt;/pre&gt;&lt;script&gt;");
  EXPECT_EQ(escape_html("1\n2\t3"), "1\n2\t3");
}

TEST(Html, KeepsCharactersAndReplacesWhatIsNone) {
  EXPECT_EQ(escape_html("\u00e4\u20ac\U0001F3B5"), "\u00e4\u20ac\U0001F3B5");
  const std::string none = "\uFFFD";
  for (const std::string bytes :
       {"\x01", "\x80", "\xFF", "\xC3", "\xC0", "\r", "\x7F", "\xC2\x9B", "\u202E"}) {
    EXPECT_EQ(escape_html(bytes + "x"), none + "x");
  }
  EXPECT_EQ(escape_html("\xED\xA0\x80"), none + none + none) << "a surrogate";
  EXPECT_EQ(escape_html("\xE0\x80\xAF"), none + none + none) << "an overlong /";
  EXPECT_EQ(escape_html("\xF4\x90\x80\x80"), none + none + none + none) << "beyond Unicode";
  EXPECT_EQ(escape_html("\xE2\x82"), none + none) << "cut";
  EXPECT_EQ(escape_html(std::string(1, '\0')), none);
}

TEST(Html, DataAddressesAreBase64) {  // RFC 4648, §10
  EXPECT_EQ(address_of(""), "data:text/plain;base64,");
  EXPECT_EQ(address_of("f"), "data:text/plain;base64,Zg==");
  EXPECT_EQ(address_of("foobar"), "data:text/plain;base64,Zm9vYmFy");
}

TEST(Html, LongContentsAreOneBase64Text) {
  const std::string content(7'000'001, 'a');
  const std::string address = address_of(content);
  EXPECT_EQ(address.size(), std::string("data:text/plain;base64,").size() + 9'333'336);
  EXPECT_EQ(address.find('='), address.size() - 1);
  EXPECT_EQ(address.find('\0'), std::string::npos);
}

}  // namespace
}  // namespace sparse_transformer
