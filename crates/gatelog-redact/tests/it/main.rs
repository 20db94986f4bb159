//! Redaction as its callers meet it, in one binary.

#[cfg(test)]
mod bodies;
#[cfg(test)]
mod configuration;
#[cfg(test)]
mod headers;
#[cfg(test)]
mod hostile;
#[cfg(test)]
mod leaks;
#[cfg(test)]
mod records;
#[cfg(test)]
mod texts;
#[cfg(test)]
mod urls;

/// Rules with these entries besides the built-in ones.
#[cfg(test)]
fn rules(yaml: serde_json::Value) -> gatelog_redact::Rules {
    let config = serde_json::from_value(yaml).unwrap();
    gatelog_redact::Rules::new(&config, Some(b"0123456789abcdef")).unwrap()
}

/// The beginning of a text, at most so many bytes.
#[cfg(test)]
fn cut(text: &str, bytes: usize) -> &str {
    text.get(..text.floor_char_boundary(bytes)).unwrap()
}
