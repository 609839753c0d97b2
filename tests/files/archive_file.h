// Archives, written by libarchive.
#pragma once

#include <archive.h>
#include <archive_entry.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <string>
#include <utility>
#include <vector>

namespace sparse_transformer {

using Entries = std::vector<std::pair<std::string, std::string>>;  // name, content

/// Writes an archive with libarchive; a name that ends in '/' becomes a folder.
inline void write_archive(const std::filesystem::path& path, int format, int filter,
                          const Entries& entries) {
  archive* out = archive_write_new();
  archive_write_set_format(out, format);
  archive_write_add_filter(out, filter);
  ASSERT_EQ(archive_write_open_filename(out, path.c_str()), ARCHIVE_OK);
  for (const auto& [name, content] : entries) {
    archive_entry* entry = archive_entry_new();
    archive_entry_set_pathname(entry, name.c_str());
    archive_entry_set_filetype(entry, name.ends_with('/') ? AE_IFDIR : AE_IFREG);
    archive_entry_set_perm(entry, 0644);
    archive_entry_set_size(entry, static_cast<la_int64_t>(content.size()));
    EXPECT_GE(archive_write_header(out, entry), ARCHIVE_WARN) << archive_error_string(out);
    archive_write_data(out, content.data(), content.size());
    archive_entry_free(entry);
  }
  ASSERT_EQ(archive_write_free(out), ARCHIVE_OK);
}

}  // namespace sparse_transformer
