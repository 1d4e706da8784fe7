mod log;

use crate::{
    args::{AuditArgs, AuditCommand, FleetArgs},
    cmd::drift,
    exit::{Exit, Failure},
    output::Output,
    render::audit::{self, Kind, Report},
    settings::{self, Judge},
};
use boltseal::{
    limits::Limits,
    ops::{
        audit::{
            Audit, Source,
            record::{PolicySource, Record},
        },
        verify::Verifier,
    },
};
use jiff::Timestamp;
use std::{
    collections::BTreeSet,
    io,
    path::{Path, PathBuf},
    time::Duration,
};
use tokio::sync::Notify;

pub async fn run(args: AuditArgs, output: &Output) -> Result<Exit, Failure> {
    match args.command {
        Some(AuditCommand::Log(command)) => log::run(command, output),
        Some(AuditCommand::Drift(args)) => drift::run(*args, output).await,
        None => fleet(args.fleet, output).await,
    }
}

async fn fleet(args: FleetArgs, output: &Output) -> Result<Exit, Failure> {
    let judge = settings::judge(&args.judge, "audit", output)?;
    let read =
        args.from.iter().filter_map(|source| if let Source::File(path) = source { Some(path.as_path()) } else { None });
    let read = read.chain(judge.file.as_ref().map(|(path, _)| path.as_path()));
    apart(&args.reports, read)?;
    let mut reports = Reports::open(&args.reports, output)?;
    let session = settings::session_with(&args.registry, settings::evidence(!args.no_cache, output))?;
    let (limits, now) = (Limits::default(), Timestamp::now());
    let reader = settings::trust_reader(args.judge.lock.as_deref(), &judge, now)?;
    let verifier = Verifier { session: &session, policy: &judge.policy, now, limits: &limits, trust: Some(&reader) };
    let (patience, policy) = (Duration::from_secs(args.timeout), policy_source(&judge));
    let (sources, shard, depth, ordered) = (args.from, args.shard, args.provenance, args.ordered);
    let audit = Audit { verifier, sources, shard, patience, depth, ordered, policy };
    let progress = output.tally("images");
    let mut told = (0_u64, 0_u64);
    reports.begin(&judge);
    let (mut unrecorded, broken) = (None, Notify::new());
    let summary = audit.run(|record| {
        // Before it is told; once one can't be recorded, none is told any more.
        if unrecorded.is_none() {
            unrecorded = judge.record_audited(record).err();
        }
        if unrecorded.is_some() {
            return broken.notify_one();
        }
        reports.record(record);
        told.0 += 1;
        told.1 += u64::from(matches!(record, Record::Image(image) if image.exit == 0));
        progress.at(told.0, format_args!("{} of them may run", told.1));
    });
    let summary = tokio::select! {
        biased;
        () = broken.notified() => None,
        summary = summary => Some(summary?),
    };
    drop(progress);
    let summary = match (unrecorded, summary) {
        (None, Some(summary)) => summary,
        (Some(failure), _) => return Err(failure),
        (None, None) => return Err(Failure::new(Exit::Bug, "the audit ended without a summary")),
    };
    let failed = reports.end(&summary);
    Ok(failed.worst(Exit::of(summary.exit)))
}

/// That no report is written over another, or over what is read. Devices and pipes may take several.
fn apart<'p>(reports: &[(Kind, PathBuf)], read: impl Iterator<Item = &'p Path>) -> Result<(), Failure> {
    let mut seen: BTreeSet<PathBuf> = read.filter_map(whole).collect();
    for (_, path) in reports.iter().filter(|(_, path)| path != Path::new("-")) {
        if whole(path).is_some_and(|whole| !seen.insert(whole)) {
            return Err(Failure::usage(format!("{}: it is read, or another report goes there", path.display())));
        }
    }
    Ok(())
}

/// Where a file really is, or will be; none for what is no file.
fn whole(path: &Path) -> Option<PathBuf> {
    match path.canonicalize() {
        Ok(found) => Some(found).filter(|found| found.is_file()),
        Err(_) => {
            let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
            Some(folder.canonicalize().ok()?.join(path.file_name()?))
        }
    }
}

fn policy_source(judge: &Judge) -> PolicySource {
    let (file, digest) = judge.file.as_ref().map(|(path, digest)| (path.display().to_string(), *digest)).unzip();
    PolicySource { file, digest }
}

/// All outputs of one run. One that can't be written is told once, and stops no other.
struct Reports<'o> {
    output: &'o Output,
    files: Vec<(PathBuf, Box<dyn Report + 'o>)>,
    /// Whether records are printed, too.
    printed: bool,
    exit: Exit,
}

impl<'o> Reports<'o> {
    fn open(asked: &[(Kind, PathBuf)], output: &'o Output) -> Result<Self, Failure> {
        let to_stdout = asked.iter().filter(|(_, path)| path == Path::new("-")).count();
        if to_stdout > 1 || to_stdout == 1 && output.is_json() {
            return Err(Failure::usage(
                "standard output takes one report: of `-o json` and `--report KIND=-` only one",
            ));
        }
        let open = |(kind, path): &(Kind, PathBuf)| {
            let failed = |error: io::Error| Failure::supplied(format!("{}: {error}", path.display()));
            Ok((path.clone(), audit::report(*kind, path, output).map_err(failed)?))
        };
        let files = asked.iter().map(open).collect::<Result<_, Failure>>()?;
        Ok(Self { output, files, printed: to_stdout == 0, exit: Exit::Done })
    }

    fn begin(&self, judge: &Judge) {
        if let Some((path, digest)) = &judge.file {
            self.output.note(format_args!("policy {} {digest}", path.display()));
        }
        if self.printed && !self.output.is_json() {
            self.output.raw(&audit::headline());
        }
    }

    fn record(&mut self, record: &Record) {
        if self.printed && self.output.is_json() {
            self.json(record);
        } else if self.printed {
            self.output.raw(&audit::row(record));
        }
        let mut lost = Vec::new();
        self.files.retain_mut(|(path, report)| {
            let written = report.record(record);
            written.map_err(|error| lost.push((path.clone(), error))).is_ok()
        });
        lost.into_iter().for_each(|(path, error)| self.lose(&path, &error));
    }

    fn json(&mut self, record: &Record) {
        match audit::line(record) {
            Ok(line) => self.output.raw(&line),
            Err(error) => self.lose(Path::new("-"), &error),
        }
    }

    fn lose(&mut self, path: &Path, error: &io::Error) {
        self.output.failure_line(&Failure::supplied(format!("{}: {error}", path.display())));
        self.exit = self.exit.worst(Exit::Supplied);
    }

    fn end(mut self, summary: &boltseal::ops::audit::record::Summary) -> Exit {
        if self.printed && self.output.is_json() {
            self.json(&Record::Summary(Box::new(summary.clone())));
        } else if self.printed {
            self.output.raw(&audit::summary(summary));
        } else {
            self.output.note(audit::summary(summary).trim());
        }
        for (path, report) in std::mem::take(&mut self.files) {
            if let Err(error) = report.end(summary) {
                self.lose(&path, &error);
            }
        }
        self.exit
    }
}
