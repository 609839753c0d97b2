// A run on one page, to look at and to show: what it was asked, how it learnt, what it makes.
#pragma once

#include <filesystem>
#include <string>

namespace sparse_transformer {

/// An HTML page that needs nothing beside itself: state, curves, samples over time (pictures, sound
/// to play, text), attention pattern, settings, machine. Light or dark as the reader's screen is.
/// `program` is the version that makes it. Works while the run goes on. Throws UserError where the
/// folder is no run.
std::string report_html(const std::filesystem::path& run, const std::string& program);

}  // namespace sparse_transformer
