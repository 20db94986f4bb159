//! What Envoy 1.40 printed, and what it refused: each row of `data/envoy_vectors.jsonl`, and of the
//! file that `GATELOG_FORMAT_VECTORS` names.
//!
//! A row has a format, what the gateway knew of a request, and the line that Envoy printed of it or
//! the error with which it refused the format. Of an error, class and position are compared, not the
//! wording. Rows with `quirk` are oddities of Envoy that are not to be had.

#[cfg(test)]
#[path = "envoy_vectors/refusal.rs"]
mod refusal;
#[cfg(test)]
#[path = "envoy_vectors/stream.rs"]
mod stream;

#[cfg(test)]
mod vectors {
    use std::path::{Path, PathBuf};

    use gatelog_format::{FormatError, Template};
    use serde_json::Value;

    use crate::refusal;
    use crate::stream::{self, Stream};

    /// The repository's own rows.
    const OWN: &str = "tests/data/envoy_vectors.jsonl";

    /// Another file of the same form.
    const OTHERS: &str = "GATELOG_FORMAT_VECTORS";

    fn rows(path: &Path) -> Vec<Value> {
        let text = std::fs::read_to_string(path)
            .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        text.lines()
            .filter(|line| !line.trim().is_empty())
            .map(|line| serde_json::from_str(line).expect("a row is an object"))
            .filter(|row: &Value| {
                row.get("quirk")
                    .is_none_or(|quirk| matches!(quirk, Value::Null | Value::Bool(false)))
            })
            .collect()
    }

    fn template(row: &Value) -> Result<Template, FormatError> {
        let omit = row["omit_empty_values"].as_bool().unwrap_or_default();
        let template = match (&row["format"], row["encoding"].as_str()) {
            (Value::String(format), Some("json")) => Template::json(format),
            (Value::String(format), _) => Template::text(format),
            (object, _) => Template::json(&object.to_string()),
        };
        template.map(|template| template.omit_empty_values(omit))
    }

    fn expected(row: &Value) -> Vec<u8> {
        if let Some(hex) = row["expected_hex"].as_str() {
            return stream::unhex(hex);
        }
        row["expected"]
            .as_str()
            .expect("a line")
            .as_bytes()
            .to_vec()
    }

    /// What is wrong with a row, if anything is.
    fn difference(row: &Value) -> Option<String> {
        let compiled = template(row);
        if let Some(refused) = row["expected_error"].as_str() {
            return match compiled {
                Ok(_) => Some(format!("is taken, but Envoy says: {refused}")),
                Err(error) => refusal::difference(&error, refused),
            };
        }
        let compiled = match compiled {
            Ok(compiled) => compiled,
            Err(error) => return Some(format!("is refused: {error}")),
        };
        let mut line = Vec::new();
        compiled.render(&Stream::new(row), &mut line);
        let mut expected = expected(row);
        // A row holds the line without its end.
        for text in [&mut line, &mut expected] {
            while text.last() == Some(&b'\n') {
                text.pop();
            }
        }
        (line != expected).then(|| {
            format!(
                "prints   {}\n   expected {}",
                line.escape_ascii(),
                expected.escape_ascii()
            )
        })
    }

    fn check(path: &Path) -> usize {
        let rows = rows(path);
        let differences: Vec<String> = rows
            .iter()
            .filter_map(|row| {
                let difference = difference(row)?;
                Some(format!("{} {} {difference}", row["id"], row["format"]))
            })
            .collect();
        assert!(
            differences.is_empty(),
            "{}: {} of {} rows differ\n{}",
            path.display(),
            differences.len(),
            rows.len(),
            differences.join("\n")
        );
        rows.len()
    }

    #[test]
    fn every_row_is_printed_or_refused_as_envoy_does() {
        let own = Path::new(env!("CARGO_MANIFEST_DIR")).join(OWN);
        let rows = check(&own);
        assert!(rows > 600, "only {rows} rows");
    }

    #[test]
    fn so_are_those_of_another_file() {
        let Some(path) = std::env::var_os(OTHERS).map(PathBuf::from) else {
            return;
        };
        // Cargo starts tests in the directory of their crate; a relative path is meant from the root.
        let from_root = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("../..")
            .join(&path);
        let rows = check(if path.exists() { &path } else { &from_root });
        println!("{rows} rows of {}", path.display());
    }
}
