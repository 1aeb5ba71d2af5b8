//! The README, the guide and the texts for coding agents agree with the code, and their links are valid.
//!
//! Doc tests compile their snippets; see `tests/src/lib.rs`.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use clerk_webhook_core::EventType;
use clerk_webhook_tests::folder;

const GUIDE: &str = "../crates/clerk-webhook/src/guide";

fn read(path: &str) -> String {
    fs::read_to_string(folder(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The README must be readable in a few minutes. Details belong in the guide.
#[test]
fn the_readme_has_at_most_8_kb() {
    let length = read("../README.md").len();
    assert!(length <= 8 * 1024, "{length} bytes");
}

/// If the event types change, copy the table from the failure message into `events.md`.
#[test]
fn the_table_of_events_lists_all_event_types() {
    let chapter = read(&format!("{GUIDE}/events.md"));
    let (_, rest) = chapter.split_once("<!-- events -->\n\n").unwrap();
    let (table, _) = rest.split_once("\n<!-- /events -->").unwrap();
    let (_, table) = table.split_once("|---|---|---|\n").unwrap();
    let rows: String = EventType::ALL
        .iter()
        .map(|event| {
            let (payload, summary) = (event.payload_name().unwrap(), event.summary().unwrap());
            format!("| `{event}` | `{payload}` | {summary} |\n")
        })
        .collect();
    assert!(table == rows, "the table of events in {GUIDE}/events.md must be:\n{rows}");
}

/// Each chapter needs a module in rustdoc, an entry in `tests/src/lib.rs` for its snippets, and a link in the
/// index.
#[test]
fn every_chapter_of_the_guide_is_included() {
    let chapters: BTreeSet<String> = fs::read_dir(folder(GUIDE))
        .unwrap()
        .map(|entry| entry.unwrap().path().file_stem().unwrap().to_string_lossy().into_owned())
        .filter(|chapter| chapter != "README")
        .collect();
    assert!(chapters.len() > 15, "{chapters:?}");

    let library = read("../crates/clerk-webhook/src/lib.rs");
    let (_, modules) = library.rsplit_once("\nguide!(").unwrap();
    let modules = modules.trim_end().trim_end_matches([';', ')']).split_whitespace();
    assert_eq!(modules.map(str::to_owned).collect::<BTreeSet<_>>(), chapters);

    let index = read(&format!("{GUIDE}/README.md"));
    let compiled = read("src/lib.rs");
    for chapter in &chapters {
        let definition = format!("\n[{chapter}]: {chapter}.md\n");
        assert!(index.contains(&format!("][{chapter}]")) && index.contains(&definition), "{chapter}");
        assert!(compiled.contains(&format!("guide/{chapter}.md\")")), "tests/src/lib.rs lacks {chapter}");
    }
    // rustdoc converts only links of the form `chapter.md` to links to the chapter's module.
    for chapter in &chapters {
        for link in links(&read(&format!("{GUIDE}/{chapter}.md"))) {
            let external_or_own_heading = link.starts_with("https://") || link.starts_with('#');
            let to_chapter = link.strip_suffix(".md").is_some_and(|name| chapters.contains(name));
            assert!(external_or_own_heading || to_chapter, "{chapter}.md: {link}");
        }
    }
}

/// Returns the targets of inline links and of link definitions.
fn links(text: &str) -> Vec<&str> {
    let inline = text.split("](").skip(1).filter_map(|rest| rest.split(')').next());
    let defined = text.lines().filter_map(|line| Some(line.strip_prefix('[')?.split_once("]: ")?.1.trim()));
    inline.chain(defined).collect()
}

fn documents() -> Vec<PathBuf> {
    let root =
        ["README", "CONTRIBUTING", "SECURITY", "CHANGELOG", "DEPENDENCIES", "benches/README", "fuzz/README"];
    let mut documents: Vec<_> = root.iter().map(|name| folder(&format!("../{name}.md"))).collect();
    documents.push(folder("../llms.txt"));
    documents.push(folder("../skills/clerk-webhooks-rust/SKILL.md"));
    for crate_folder in fs::read_dir(folder("../crates")).unwrap() {
        let crate_folder = crate_folder.unwrap().path();
        documents.push(crate_folder.join("README.md"));
        documents.extend(Some(crate_folder.join("JSON.md")).filter(|path| path.exists()));
    }
    documents.extend(fs::read_dir(folder(GUIDE)).unwrap().map(|entry| entry.unwrap().path()));
    documents
}

#[test]
fn every_link_points_to_an_existing_file_and_heading() {
    let mut checked = 0;
    for document in documents() {
        let text =
            fs::read_to_string(&document).unwrap_or_else(|error| panic!("{}: {error}", document.display()));
        for link in links(&text).into_iter().filter(|link| !link.starts_with("https://")) {
            checked += 1;
            assert!(target_exists(&document, link), "{}: {link}", document.display());
        }
    }
    assert!(checked > 100, "{checked}");
}

fn target_exists(document: &Path, link: &str) -> bool {
    let (path, heading) = link.split_once('#').map_or((link, None), |(path, heading)| (path, Some(heading)));
    let target = if path.is_empty() { document.to_owned() } else { document.parent().unwrap().join(path) };
    let Some(heading) = heading else { return target.exists() };
    let target = if target.is_dir() { target.join("README.md") } else { target };
    let text = fs::read_to_string(&target).unwrap_or_default();
    text.lines().any(|line| anchor(line).as_deref() == Some(heading))
}

/// The README states the times of benches/README.md in microseconds.
#[test]
fn the_comparison_states_the_times_of_the_benchmarks() {
    let readme = read("../README.md");
    let benchmarks = read("../benches/README.md");
    let cells = |row: &str| -> Vec<String> { row.split('|').map(|cell| cell.trim().to_owned()).collect() };
    let row = |text: &str, start: &str| -> Vec<String> {
        let row = text.lines().find(|line| line.starts_with(start));
        cells(row.unwrap_or_else(|| panic!("no row begins with {start}")))
    };
    let micros = |cell: &str| format!("{:.1} µs", cell.replace(',', "").parse::<f64>().unwrap() / 1000.0);

    let header = row(&benchmarks, "| verify, ns |");
    let column = |name: &str| header.iter().position(|cell| cell == name).unwrap();
    let verify = row(&benchmarks, "| 2 KB | ");
    let stated = row(&readme, "| verifies 2 KB in |");
    assert_eq!(stated[2], micros(&verify[column("svix")]));
    assert_eq!(stated[3], micros(&verify[column("clerk-webhook")]));

    let stated = row(&readme, "| from request to response, with typed data |");
    assert_eq!(stated[2], micros(&row(&benchmarks, "| axum + svix + serde_json |")[2]));
    assert_eq!(stated[3], micros(&row(&benchmarks, "| Axum extractor, typed data |")[2]));
}

/// Returns the anchor of a heading.
fn anchor(line: &str) -> Option<String> {
    let title = line.strip_prefix('#')?.trim_start_matches('#').strip_prefix(' ')?;
    let kept =
        title.chars().filter(|character| character.is_alphanumeric() || matches!(character, ' ' | '-' | '_'));
    Some(kept.collect::<String>().to_lowercase().replace(' ', "-"))
}

#[test]
fn every_folder_that_contributing_names_exists() {
    let text = read("../CONTRIBUTING.md");
    let (_, table) = text.split_once("| folder |").unwrap();
    let (table, _) = table.split_once("\n\n").unwrap();
    let rows = table.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next());
    let paths: Vec<_> = rows.filter(|path| !path.contains('*')).collect();
    assert!(paths.len() > 5, "{paths:?}");
    for path in paths {
        assert!(folder("..").join(path).exists(), "{path}");
    }
}

#[test]
fn the_table_of_versions_equals_the_manifests() {
    let readme = read("../README.md");
    let (_, section) = readme.split_once("## Supported versions").unwrap();
    let (section, _) = section.split_once("\n##").unwrap();
    let workspace = read("../Cargo.toml");
    let value = |manifest: &str, key: &str| {
        let line = manifest.lines().find(|line| line.starts_with(&format!("{key} = ")))?;
        line.split('"').nth(1).map(str::to_owned)
    };
    let rows: Vec<_> = section.lines().filter(|line| line.starts_with("| `")).collect();
    assert_eq!(rows.len(), 9);
    for row in rows {
        let cells: Vec<_> = row.split('|').map(str::trim).collect();
        let library = match cells[1].split('`').nth(1).unwrap() {
            "memory" => "store",
            "sqlite" => "sync",
            "nats" => "queue",
            adapter => adapter,
        };
        let manifest = read(&format!("../crates/clerk-webhook-{library}/Cargo.toml"));
        let crates = [
            "axum-core",
            "actix-web",
            "async-nats",
            "graphile_worker",
            "poem",
            "rocket",
            "warp",
            "tower-layer",
            "tower-service",
            "http",
            "http-body",
            "tokio",
            "sqlx",
            "redis",
        ];
        let uses: Vec<_> = crates.into_iter().filter(|name| is_named(cells[2], name)).collect();
        assert!(!uses.is_empty(), "{row}");
        for name in uses {
            let version = minor(&value(&workspace, name).unwrap());
            let major = version.split('.').next().unwrap().to_owned();
            let fits = [version, major].iter().any(|version| cells[2].contains(&format!("{name} {version}")));
            assert!(fits, "{row}: {name}");
        }
        let rust = match cells[1] {
            // The queue's other features need an older version. `.ci/rust_version.py` checks this version.
            "`nats`" => "1.89".to_owned(),
            _ => value(&manifest, "rust-version").or_else(|| value(&workspace, "rust-version")).unwrap(),
        };
        assert!(cells[3] == rust || cells[3].starts_with(&format!("{rust},")), "{row}: {rust}");
    }
}

/// Returns `0.4` for `0.4.3`.
fn minor(version: &str) -> String {
    version.split('.').take(2).collect::<Vec<_>>().join(".")
}

fn is_named(text: &str, name: &str) -> bool {
    text.split([' ', '(', ',', ')']).any(|word| word == name)
}

/// Compares the listings in `api/`, which `.ci/public_api.sh` compares with the code.
#[test]
fn the_facade_exports_every_item_of_its_parts() {
    let listing = |library: &str| read(&format!("../api/clerk-webhook{library}.txt"));
    let exported = listing("");
    for part in ["actix", "axum", "poem", "queue", "rocket", "store", "tower", "warp"] {
        let root = format!("clerk_webhook_{part}::");
        let listing = listing(&format!("-{part}"));
        let items = listing.lines().filter_map(|line| line.strip_prefix("pub ")?.split_once(&root));
        let items = items.filter(|(kind, _)| !kind.contains(['(', '<', '=']));
        let names: BTreeSet<_> = items
            .filter_map(|(_, path)| {
                let end = path.find(|character: char| !character.is_alphanumeric() && character != '_');
                let (name, rest) = path.split_at(end.unwrap_or(path.len()));
                (name != "core" && !rest.starts_with("::")).then_some(name)
            })
            .collect();
        assert!(names.len() > 2, "{names:?}");
        for name in names {
            let line = format!("pub use clerk_webhook::{part}::{name}");
            assert!(exported.lines().any(|exported| exported == line), "{line} is missing");
        }
    }
}
