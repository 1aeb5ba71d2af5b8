//! The tables of the README say what the code does. Its snippets are compiled as documentation tests.

use clerk_webhook_core::EventType;
use clerk_webhook_tests::folder;

fn readme() -> String {
    std::fs::read_to_string(folder("../README.md")).unwrap()
}

/// Replace the table between the marks by what this fails with, when the catalogue has changed.
#[test]
fn the_table_of_events_is_the_catalogue() {
    let readme = readme();
    let (_, rest) = readme.split_once("<!-- events -->\n\n").unwrap();
    let (table, _) = rest.split_once("\n<!-- /events -->").unwrap();
    let (_, table) = table.split_once("|---|---|---|\n").unwrap();
    let rows: String = EventType::ALL
        .iter()
        .map(|event| {
            let (payload, summary) = (event.payload_name().unwrap(), event.summary().unwrap());
            format!("| `{event}` | `{payload}` | {summary} |\n")
        })
        .collect();
    assert!(table == rows, "the table of events in README.md must be:\n{rows}");
}

#[test]
fn everything_that_is_linked_to_is_there() {
    let of_crates = std::fs::read_dir(folder("../crates")).unwrap().flat_map(|entry| {
        let folder = entry.unwrap().path();
        ["README.md", "JSON.md"].map(|name| folder.join(name))
    });
    let of_all = ["README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md", "benches/README.md"];
    let documents = of_all.map(|name| folder("..").join(name)).into_iter().chain(of_crates);
    let mut links = 0;
    for document in documents.filter(|document| document.exists()) {
        let text = std::fs::read_to_string(&document).unwrap();
        for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            if link.starts_with("https://") {
                continue;
            }
            links += 1;
            let (path, heading) =
                link.split_once('#').map_or((link, None), |(path, heading)| (path, Some(heading)));
            let target =
                if path.is_empty() { document.clone() } else { document.parent().unwrap().join(path) };
            assert!(target.exists(), "{}: {link}", document.display());
            if let Some(heading) = heading {
                let target = if target.is_dir() { target.join("README.md") } else { target };
                let text = std::fs::read_to_string(&target).unwrap();
                assert!(
                    text.lines().any(|line| anchor(line).as_deref() == Some(heading)),
                    "{}: {link}",
                    document.display()
                );
            }
        }
    }
    assert!(links > 40, "{links}");
}

/// Returns the name under which a heading is linked to.
fn anchor(line: &str) -> Option<String> {
    let title = line.strip_prefix('#')?.trim_start_matches('#').strip_prefix(' ')?;
    let kept =
        title.chars().filter(|character| character.is_alphanumeric() || matches!(character, ' ' | '-' | '_'));
    Some(kept.collect::<String>().to_lowercase().replace(' ', "-"))
}

#[test]
fn every_folder_that_the_guide_for_contributors_names_is_there() {
    let text = std::fs::read_to_string(folder("../CONTRIBUTING.md")).unwrap();
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
fn the_table_of_versions_is_that_of_the_manifests() {
    let readme = readme();
    let (_, section) = readme.split_once("### Versions").unwrap();
    let (section, _) = section.split_once("\n##").unwrap();
    let workspace = std::fs::read_to_string(folder("../Cargo.toml")).unwrap();
    let value = |manifest: &str, key: &str| {
        let line = manifest.lines().find(|line| line.starts_with(&format!("{key} = ")))?;
        line.split('"').nth(1).map(str::to_owned)
    };
    let rows: Vec<_> = section.lines().filter(|line| line.starts_with("| `")).collect();
    assert_eq!(rows.len(), 6);
    for row in rows {
        let cells: Vec<_> = row.split('|').map(str::trim).collect();
        let library = match cells[1].split('`').nth(1).unwrap() {
            "memory" => "store",
            "sqlite" => "sync",
            adapter => adapter,
        };
        let manifest = folder(&format!("../crates/clerk-webhook-{library}/Cargo.toml"));
        let manifest = std::fs::read_to_string(manifest).unwrap();
        let crates = [
            "axum-core",
            "actix-web",
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
        let rust = value(&manifest, "rust-version").or_else(|| value(&workspace, "rust-version")).unwrap();
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

/// The listings in `api/` are those of the code, which `.ci/public_api.sh` checks.
#[test]
fn the_crate_for_users_exports_every_item_of_its_parts() {
    let listing = |library: &str| {
        std::fs::read_to_string(folder(&format!("../api/clerk-webhook{library}.txt"))).unwrap()
    };
    let exported = listing("");
    for part in ["actix", "axum", "store", "tower", "warp"] {
        let root = format!("clerk_webhook_{part}::");
        let listing = listing(&format!("-{part}"));
        let items = listing.lines().filter_map(|line| line.strip_prefix("pub ")?.split_once(&root));
        let items = items.filter(|(kind, _)| !kind.contains(['(', '<', '=']));
        let names: std::collections::BTreeSet<_> = items
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
