//! Audits of the mixed fleet in real registries, and SARIF by its schema.

use crate::{
    bench::Case,
    common::{
        Ran,
        images::{Expected, Table},
        peers::{self, Kind},
    },
};
use serde_json::Value;
use std::fs;

pub fn cases() -> Vec<Case> {
    vec![
        Case::new("a mixed fleet in docker-registry is audited, cold and warm", &["docker-registry"], || {
            fleet(Kind::DockerRegistry);
        }),
        Case::new("a mixed fleet in refreg is audited, cold and warm", &["refreg"], || fleet(Kind::Refreg)),
        Case::new("an audit's SARIF is valid by its schema", &["sarif-schema", "refreg"], sarif),
    ]
}

fn built(address: &str, small: bool) -> Table {
    let build = async { if small { Table::small(address).await } else { Table::build(address).await } };
    tokio::runtime::Runtime::new().expect("a runtime").block_on(build)
}

fn audit(table: &Table, more: &[&str]) -> Ran {
    let names: Vec<_> = table.rows.iter().map(|row| row.by_tag()).collect();
    let list = table.file("images.txt");
    fs::write(&list, format!("{}\nNO IMAGE\n", names.join("\n"))).expect("a list");
    table.machine.run([&["audit", "--policy", &table.policy(), "--from", &list, "--ordered"], more].concat())
}

fn fleet(kind: Kind) {
    let registry = peers::start(kind);
    let table = built(&registry.address.to_string(), false);
    for _ in ["cold", "warm"] {
        let ran = audit(&table, &["-o", "json"]).expect(3);
        let told: Vec<Value> = ran.stdout.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
        assert_eq!(told.len(), table.rows.len() + 2);
        for (row, record) in table.rows.iter().zip(&told) {
            let decision = match row.expected {
                Expected::Allowed(_) => "allowed",
                Expected::Denied(_) => "denied",
                Expected::Unknown => "could-not-tell",
            };
            assert_eq!(record["decision"], decision, "{}: {record}", row.what);
        }
    }
}

/// [V-279]
fn sarif() {
    let registry = peers::start(Kind::Refreg);
    let table = built(&registry.address.to_string(), true);
    let report = table.file("audit.sarif");
    audit(&table, &["--report", &format!("sarif={report}")]).expect(3);
    let judge = |file: &str| Ran::of(peers::tool("sarif-schema", table.machine.home.path()).arg(file));
    judge(&report).expect(0);
    let whole = fs::read_to_string(&report).expect("a report");
    fs::write(&report, whole.replace("\"level\":\"error\"", "\"level\":\"bad\"")).expect("a report");
    judge(&report).expect(1);
}
