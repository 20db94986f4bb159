//! gatelog-plugin
