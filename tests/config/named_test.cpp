// Settings under names of the user's choice, each of one of several kinds.
#include <gmock/gmock.h>

#include "tests/config/example_settings.h"

namespace sparse_transformer {
namespace {

using testing::HasSubstr;

struct Circle {
  static constexpr std::string_view kName = "circle";
  static constexpr std::string_view kMeaning = "a round one";
  std::int64_t radius = 3;
  bool operator==(const Circle&) const = default;
  void describe(FieldVisitor& visit) {
    visit.field("radius", radius, "half its width", at_least<std::int64_t>(1));
  }
};

struct Box {
  static constexpr std::string_view kName = "box";
  static constexpr std::string_view kMeaning = "one with corners";
  std::optional<std::int64_t> height;
  double width = 0.5;
  bool operator==(const Box&) const = default;
  void describe(FieldVisitor& visit) {
    visit.field("height", height, "from below");
    visit.field("width", width, "from the left");
  }
};

struct Shape {
  std::variant<Circle, Box> kind;
  bool operator==(const Shape&) const = default;
  void describe(FieldVisitor& visit) { visit.one_of(kind); }
};

struct Drawing {
  Named<Shape> shapes;
  std::int64_t size = 1;
  bool operator==(const Drawing&) const = default;
  void describe(FieldVisitor& visit) {
    visit.named("shapes", shapes, "what is drawn");
    visit.field("size", size, "of it");
  }
};

class NamedSettings : public InFolder {
 protected:
  static Drawing read_drawing(const std::string& text,
                              const std::vector<std::string>& overrides = {}) {
    write("a.yaml", text);
    Drawing drawing;
    Config({"a.yaml"}, overrides).read(drawing);
    return drawing;
  }

  static std::string error(const std::string& text,
                           const std::vector<std::string>& overrides = {}) {
    try {
      read_drawing(text, overrides);
    } catch (const UserError& caught) {
      return caught.what();
    }
    return "no error";
  }
};

const std::string kTwo = "shapes:\n  moon: {circle: {radius: 7}}\n  house:\n    box: {height: 2}\n";

TEST_F(NamedSettings, AreReadInTheirOrder) {
  const Drawing expected{.shapes = {{"moon", {Circle{7}}}, {"house", {Box{2, 0.5}}}}};
  EXPECT_EQ(read_drawing(kTwo), expected);
  EXPECT_EQ(read_drawing("shapes: {}\n"), Drawing());
  EXPECT_EQ(read_drawing("shapes:\n"), Drawing());
  EXPECT_EQ(read_drawing("shapes: {dot: {circle: {}}}\n").shapes.front().second, Shape());
}

TEST_F(NamedSettings, AreMergedAndOverridden) {
  const Drawing drawing =
      read_drawing(kTwo, {"shapes.moon.circle.radius=8", "shapes.tree.box.width=2"});
  EXPECT_EQ(drawing.shapes.at(0).second, Shape{Circle{8}});
  EXPECT_EQ(drawing.shapes.at(2).first, "tree");
  EXPECT_EQ(error(kTwo, {"shapes.moon.box.width=2"}),
            "--set shapes.moon.box.width=2: shapes.moon: got {circle: {radius: 7}, box: {width: "
            "2}}, expected only one of circle, box");
}

TEST_F(NamedSettings, MistakesAreNamedWithPlaceAndNearestName) {
  EXPECT_EQ(error("shapes:\n  moon:\n    circel: {radius: 7}\n"),
            "a.yaml:3: shapes.moon.circel: unknown setting (did you mean 'shapes.moon.circle'?)");
  EXPECT_EQ(error("shapes:\n  moon:\n    circle: {radios: 7}\n"),
            "a.yaml:3: shapes.moon.circle.radios: unknown setting (did you mean "
            "'shapes.moon.circle.radius'?)");
  EXPECT_EQ(error("shapes:\n  moon: {circle: {radius: 0}}\n"),
            "a.yaml:2: shapes.moon.circle.radius: got 0, expected a whole number of at least 1");
  EXPECT_EQ(error("shapes:\n  moon: {}\n"),
            "a.yaml:2: shapes.moon: got {}, expected a section, one of circle, box");
  EXPECT_THAT(error("shapes:\n  moon: circle\n"), HasSubstr("a.yaml:2: shapes.moon: got circle"));
  EXPECT_THAT(error("shapes: [circle]\n"), HasSubstr("a.yaml:1: shapes: got [circle]"));
}

TEST_F(NamedSettings, TheResolvedFileReadsBack) {
  const std::string resolved = resolved_yaml(read_drawing(kTwo));
  EXPECT_EQ(resolved,
            "shapes:\n"
            "  moon:\n    circle:\n      radius: 7\n"
            "  house:\n    box:\n      height: 2\n      width: 0.5\n"
            "size: 1\n");
  EXPECT_EQ(read_drawing(resolved), read_drawing(kTwo));
  EXPECT_EQ(resolved_yaml(Drawing()), "shapes: {}\nsize: 1\n");
}

TEST_F(NamedSettings, TheReferenceShowsEveryKind) {
  const std::string reference = settings_reference<Drawing>();
  EXPECT_EQ(reference, R"(# what is drawn
shapes: {}
#   # each under a name of your choice; one of these:
#   NAME:
#     # a round one
#     circle:
#       # half its width (a whole number of at least 1)
#       radius: 3
#     # one with corners
#     box:
#       # from below (a whole number; not set by default)
#       # height:
#       # from the left (a number)
#       width: 0.5

# of it (a whole number)
size: 1
)");
  EXPECT_EQ(read_drawing(reference), Drawing());
}

TEST_F(NamedSettings, DifferencesAreByName) {
  const auto differences =
      settings_differences(Drawing{.shapes = {{"moon", {Circle{7}}}, {"dot", {Circle{1}}}}},
                           Drawing{.shapes = {{"dot", {Circle{2}}}, {"house", {Box{{}, 0.5}}}}});
  std::vector<std::string> texts;
  for (const auto& each : differences) {
    texts.push_back(each.key + ": " + each.before + " -> " + each.after);
  }
  EXPECT_THAT(texts, testing::ElementsAre("shapes.dot.circle.radius: 1 -> 2",
                                          "shapes.house.box.width: null -> 0.5",
                                          "shapes.moon.circle.radius: 7 -> null"));
  EXPECT_EQ(setting_keys<Drawing>(), std::vector<std::string>{"size"});
}

}  // namespace
}  // namespace sparse_transformer
