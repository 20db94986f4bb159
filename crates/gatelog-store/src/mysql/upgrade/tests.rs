//! Plans for tables that nobody has to make.

use proptest::prelude::*;

use super::found::{FoundColumn, Index, Part};
use super::*;

/// A table as gatelog makes it, as MariaDB describes it.
fn own() -> Found {
    let columns = wanted::columns().into_iter().map(|wanted| {
        let sql_type = wanted.sql_type.to_ascii_lowercase();
        let comment = wanted.comment.unwrap_or_default();
        column(
            wanted.name,
            &sql_type,
            &format!(" DEFAULT NULL COMMENT {comment}"),
        )
    });
    let indexes = wanted::indexes().map(|(name, column)| index(name, &[column]));
    Found {
        name: "access_logs".to_owned(),
        engine: "InnoDB".to_owned(),
        row_format: "Dynamic".to_owned(),
        collation: "utf8mb4_general_ci".to_owned(),
        columns: columns.collect(),
        indexes: indexes.collect(),
    }
}

fn column(name: &str, column_type: &str, behind: &str) -> FoundColumn {
    let data_type = column_type.split(['(', ' ']).next().unwrap();
    let number = column_type
        .split(['(', ')'])
        .nth(1)
        .map_or(0, |number| number.parse().unwrap());
    let max_chars = match data_type {
        "tinytext" => 255,
        "text" => 65_535,
        "varchar" => number,
        _ => 0,
    };
    FoundColumn {
        name: name.to_owned(),
        data_type: data_type.to_owned(),
        column_type: column_type.to_owned(),
        max_chars,
        bytes_per_char: if data_type == "varchar" { 4 } else { 1 },
        digits: if data_type.ends_with("time") || data_type == "timestamp" {
            number
        } else {
            0
        },
        charset: (max_chars > 0).then(|| "utf8mb4".to_owned()),
        has_default: false,
        is_generated: false,
        definition: Some(format!("{column_type}{behind}")),
    }
}

fn index(name: &str, columns: &[&str]) -> Index {
    let part = |column: &&str| Part {
        column: Some((*column).to_owned()),
        prefix_chars: None,
    };
    Index {
        name: name.to_owned(),
        is_tree: true,
        parts: columns.iter().map(part).collect(),
    }
}

fn with(change: impl FnOnce(&mut Found)) -> Plan {
    let mut found = own();
    change(&mut found);
    plan(&found)
}

/// The plan for a column that is otherwise than ours.
fn with_column(name: &str, column_type: &str, behind: &str) -> Plan {
    with(|found| replace(found, column(name, column_type, behind)))
}

fn replace(found: &mut Found, column: FoundColumn) {
    let place = found.columns.iter_mut();
    let place = place.into_iter().find(|there| there.name == column.name);
    *place.unwrap() = column;
}

fn statements(plan: &Plan) -> Vec<String> {
    plan.changes.iter().map(Change::statement).collect()
}

const NOTHING: [String; 0] = [];

#[test]
fn for_the_table_as_gatelog_makes_it_there_is_nothing_to_do() {
    assert_eq!(plan(&own()), Plan::default());
}

#[test]
fn the_seeds_table_gets_the_weight_and_milliseconds() {
    let plan = with(|found| {
        found
            .columns
            .retain(|column| column.name != "sample_weight");
        let seeds = column(
            "start_time",
            "datetime",
            " NOT NULL COMMENT 'Request start time'",
        );
        replace(found, seeds);
    });
    assert_eq!(
        statements(&plan),
        [
            "ALTER TABLE `access_logs` ADD COLUMN `sample_weight` DOUBLE NULL COMMENT 'Requests this row stands for', ALGORITHM=INSTANT",
            "ALTER TABLE `access_logs` MODIFY COLUMN `start_time` datetime(3) NOT NULL COMMENT 'Request start time', ALGORITHM=COPY, LOCK=SHARED",
        ]
    );
    let costs: Vec<_> = plan.changes.iter().map(|change| change.cost).collect();
    assert_eq!(costs, [Cost::AtOnce, Cost::Copies]);
    assert_eq!(plan.changes[0].reason, "missing: sample_weight");
    assert_eq!(plan.remarks, NOTHING);
}

#[test]
fn what_a_column_has_besides_its_type_stays() {
    let behind = " CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL DEFAULT 'varchar(64)' COMMENT 'it''s, `' CHECK (`api` <> '')";
    let plan = with_column("api", "varchar(64)", behind);
    assert_eq!(
        statements(&plan),
        [format!(
            "ALTER TABLE `access_logs` MODIFY COLUMN `api` varchar(255){behind}, ALGORITHM=INPLACE, LOCK=NONE"
        )]
    );
}

#[test]
fn a_text_that_grows_beyond_one_byte_of_length_is_copied() {
    for (name, found, cost) in [
        // 252 bytes become 1020, 256 become 1020, 64 become 80.
        ("api", "varchar(63)", Cost::Copies),
        ("api", "varchar(64)", Cost::AtOnce),
        ("protocol", "varchar(16)", Cost::AtOnce),
    ] {
        let plan = with_column(name, found, " DEFAULT NULL");
        let costs: Vec<_> = plan.changes.iter().map(|change| change.cost).collect();
        assert_eq!(costs, [cost], "{name} {found}");
    }
}

#[test]
fn one_copy_is_made_for_all_that_need_one() {
    let plan = with(|found| {
        replace(found, column("duration", "int(11)", " DEFAULT NULL"));
        replace(found, column("path", "varchar(1024)", " DEFAULT NULL"));
        replace(found, column("user_agent", "tinytext", ""));
    });
    assert_eq!(
        statements(&plan),
        [
            "ALTER TABLE `access_logs` MODIFY COLUMN `path` text DEFAULT NULL, MODIFY COLUMN `user_agent` text, MODIFY COLUMN `duration` BIGINT DEFAULT NULL, ALGORITHM=COPY, LOCK=SHARED"
        ]
    );
}

#[test]
fn nothing_that_is_wide_enough_is_touched() {
    for (name, there) in [
        ("method", "varchar(16)"),
        ("api", "text"),
        ("path", "mediumtext"),
        ("response_code", "bigint(20)"),
        ("response_code", "int(10) unsigned"),
        ("duration", "bigint(20) unsigned"),
        ("duration", "double"),
        ("start_time", "datetime(6)"),
        ("start_time", "varchar(30)"),
        ("ai_log", "longtext"),
        ("upstream_service_time", "int(11)"),
    ] {
        assert_eq!(
            statements(&with_column(name, there, "")),
            NOTHING,
            "{name} {there}"
        );
    }
    let computed = FoundColumn {
        is_generated: true,
        ..column("model", "varchar(9)", " GENERATED ALWAYS AS ('m')")
    };
    assert_eq!(with(|found| replace(found, computed)), Plan::default());
}

#[test]
fn what_cannot_be_better_is_remarked() {
    for (plan, remark) in [
        (
            with_column("start_time", "bigint(20)", ""),
            "start_time counts seconds",
        ),
        (
            with_column(
                "start_time",
                "datetime",
                " DEFAULT current_timestamp() ON UPDATE current_timestamp()",
            ),
            "as its default is the current time",
        ),
        (
            with(|found| {
                replace(found, column("path", "varchar(700)", ""));
                found.indexes.push(index("by_path", &["path"]));
            }),
            "cannot be TEXT as an index looks at all of it",
        ),
        (
            with(|found| {
                let path = FoundColumn {
                    has_default: true,
                    ..column("path", "varchar(700)", " DEFAULT '/'")
                };
                replace(found, path);
            }),
            "cannot be TEXT as it has a default",
        ),
        (
            with(|found| {
                found.row_format = "Compact".to_owned();
                replace(found, column("api", "varchar(100)", ""));
            }),
            "an index would have no room",
        ),
        (
            with(|found| {
                replace(found, column("api", "varchar(100)", ""));
                found.indexes.push(index(
                    "wide",
                    &["api", "model", "consumer", "mcp_server", "id"],
                ));
            }),
            "an index would have no room",
        ),
        (
            with(|found| found.columns[3].charset = Some("latin1".to_owned())),
            "not every character can be stored in method;",
        ),
        (
            with(|found| {
                let odd = FoundColumn {
                    definition: Some("VARCHAR(8)".to_owned()),
                    ..column("method", "varchar(8)", "")
                };
                replace(found, odd);
            }),
            "method stays varchar(8): its definition is not understood",
        ),
    ] {
        assert_eq!(statements(&plan), NOTHING, "{remark}");
        assert_eq!(plan.remarks.len(), 1, "{:?}", plan.remarks);
        assert!(plan.remarks[0].contains(remark), "{:?}", plan.remarks);
    }
}

#[test]
fn an_index_is_made_where_no_tree_begins_with_the_column() {
    let made = |change: &dyn Fn(&mut Found)| statements(&with(change));
    let without = |found: &mut Found| found.indexes.retain(|index| index.name != "idx_api");
    let in_place = "ALGORITHM=INPLACE, LOCK=NONE";
    let covered: &dyn Fn(&mut Found) = &|found| {
        without(found);
        found.indexes.push(index("x", &["API", "start_time"]));
    };
    assert_eq!(made(covered), NOTHING);
    for (change, clause) in [
        (
            &(|found: &mut Found| {
                without(found);
                found.indexes.push(index("x", &["model", "api"]));
                found.indexes.push(Index {
                    is_tree: false,
                    ..index("text", &["api"])
                });
            }) as &dyn Fn(&mut Found),
            "`idx_api` (`api`)",
        ),
        (
            &|found| {
                without(found);
                found.indexes.push(index("IDX_API", &["model"]));
                found.indexes.push(index("idx_api_2", &["model"]));
            },
            "`idx_api_3` (`api`)",
        ),
        (
            &|found| {
                without(found);
                replace(found, column("api", "text", ""));
            },
            "`idx_api` (`api`(191))",
        ),
        (
            &|found| {
                without(found);
                found.row_format = "Compact".to_owned();
            },
            "`idx_api` (`api`(191))",
        ),
    ] {
        let expected = format!("ALTER TABLE `access_logs` ADD INDEX {clause}, {in_place}");
        assert_eq!(made(change), [expected]);
    }
    let without_column: &dyn Fn(&mut Found) = &|found| {
        without(found);
        found.columns.retain(|column| column.name != "api");
    };
    let added = made(without_column);
    assert!(added[0].contains("ADD COLUMN `api` VARCHAR(255) NULL"));
    assert!(added[1].contains("ADD INDEX `idx_api` (`api`)"));
}

#[test]
fn another_engine_copies_whatever_is_done() {
    let plan = with(|found| {
        found.engine = "MyISAM".to_owned();
        found.collation = "latin1_swedish_ci".to_owned();
        found.columns.retain(|column| column.name != "api");
        found.indexes.retain(|index| index.name != "idx_model");
    });
    let copies = |change: &Change| {
        change.cost == Cost::Copies
            && change
                .statement()
                .ends_with(", ALGORITHM=COPY, LOCK=SHARED")
    };
    assert!(plan.changes.len() == 2 && plan.changes.iter().all(copies));
    assert!(
        plan.changes[0]
            .statement()
            .contains("`api` VARCHAR(255) CHARACTER SET utf8mb4 NULL")
    );
    assert!(plan.remarks[0].contains("MyISAM"), "{:?}", plan.remarks);
}

#[test]
fn a_table_with_an_index_for_words_gets_its_columns_by_the_copy() {
    let plan = with(|found| {
        found.columns.retain(|column| column.name != "route");
        replace(found, column("duration", "int", ""));
        found.indexes.push(Index {
            is_tree: false,
            ..index("words", &["path"])
        });
    });
    assert_eq!(
        statements(&plan),
        [
            "ALTER TABLE `access_logs` ADD COLUMN `route` VARCHAR(255) NULL COMMENT 'Route name', MODIFY COLUMN `duration` BIGINT, ALGORITHM=COPY, LOCK=SHARED"
        ]
    );
    assert_eq!(plan.changes[0].reason, "missing: route, duration is int");
}

/// Any type, with its room in characters or in bits.
fn any_type() -> impl Strategy<Value = (String, u64)> {
    prop_oneof![
        (1u64..4000).prop_map(|chars| (format!("varchar({chars})"), chars)),
        Just(("tinytext".to_owned(), 255)),
        Just(("text".to_owned(), 65_535)),
        Just(("mediumtext".to_owned(), 1 << 24)),
        Just(("smallint(6)".to_owned(), 16)),
        Just(("int(11)".to_owned(), 32)),
        Just(("bigint(20)".to_owned(), 64)),
        Just(("double".to_owned(), 0)),
        (0u64..=6).prop_map(|digits| (format!("datetime({digits})"), digits)),
    ]
}

/// The room of a type as a statement has it.
fn room(sql_type: &str) -> u64 {
    let inner = sql_type.split(['(', ')']).nth(1);
    match sql_type.split('(').next().unwrap() {
        "varchar" | "datetime" => inner.unwrap().parse().unwrap(),
        "text" => 65_535,
        "BIGINT" => 64,
        "INT" => 32,
        other => panic!("{other}"),
    }
}

proptest! {
    #[test]
    fn whatever_the_types_are_columns_only_grow(
        types in proptest::collection::vec(proptest::option::weighted(0.9, any_type()), 38),
        indexed in proptest::collection::vec(0usize..38, 0..6),
    ) {
        let mut found = own();
        let names: Vec<String> = found.columns.iter().map(|column| column.name.clone()).collect();
        for (name, found_type) in names.iter().zip(&types) {
            match found_type {
                Some((column_type, _)) => {
                    let column_type = if name == "start_time" { "datetime" } else { column_type };
                    replace(&mut found, column(name, column_type, " DEFAULT NULL"));
                }
                None => found.columns.retain(|column| column.name != *name),
            }
        }
        found.indexes = indexed.iter().enumerate()
            .map(|(number, &at)| index(&format!("i{number}"), &[&names[at]]))
            .collect();
        for change in plan(&found).changes {
            let statement = change.statement();
            let clauses = statement.strip_prefix("ALTER TABLE `access_logs` ").unwrap();
            for clause in clauses.split(", ") {
                let words: Vec<&str> = clause.split(' ').collect();
                match words[0] {
                    "MODIFY" => {
                        let name = words[2].trim_matches('`');
                        let at = names.iter().position(|there| there == name).unwrap();
                        let before = types[at].as_ref().unwrap();
                        let before = if name == "start_time" { 0 } else { before.1 };
                        prop_assert!(room(words[3]) > before, "{clause}");
                        prop_assert_eq!(words[4..].join(" "), "DEFAULT NULL");
                    }
                    "ADD" if words[1] == "COLUMN" => {
                        let name = words[2].trim_matches('`');
                        prop_assert!(found.column(name).is_none());
                    }
                    "ADD" => prop_assert_eq!(words[1], "INDEX"),
                    word => prop_assert!(
                        word.starts_with("ALGORITHM=") || word.starts_with("LOCK=")
                            // The rest of a comment.
                            || ["MCP", "token", "etc.)'"].iter().any(|rest| word.starts_with(rest)),
                        "{}", clause
                    ),
                }
            }
        }
    }
}
