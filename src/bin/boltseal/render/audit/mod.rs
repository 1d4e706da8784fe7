//! The outputs of `audit`, all made of the same records. What stands in a record is other people's words: each output makes
//! them harmless for where it is shown.

mod csv;
mod html;
mod junit;
mod sarif;
mod text;

pub use text::{headline, row, summary};

use crate::output::Output;
use boltseal::ops::audit::record::{ImageRecord, Line, RUNNING_UNKNOWN, Record, Summary, Told};
use std::{
    fs::{self, File},
    io::{self, BufWriter, Write},
    path::{Path, PathBuf},
};
use tempfile::NamedTempFile;

/// The kinds of a report that is written to a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Ndjson,
    Csv,
    Sarif,
    Junit,
    Html,
}

impl Kind {
    const ALL: [(&'static str, Self); 5] = [
        ("ndjson", Self::Ndjson),
        ("csv", Self::Csv),
        ("sarif", Self::Sarif),
        ("junit", Self::Junit),
        ("html", Self::Html),
    ];

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.iter().find(|(name, _)| *name == text).map(|(_, kind)| *kind)
    }
}

/// An output that takes records as they come.
pub trait Report {
    fn record(&mut self, record: &Record) -> io::Result<()>;
    /// The last of it. What was not ended stays as a kill would leave it.
    fn end(self: Box<Self>, summary: &Summary) -> io::Result<()>;
}

/// A report of a kind, to a file or, by `-`, to standard output.
pub fn report<'o>(kind: Kind, path: &Path, output: &'o Output) -> io::Result<Box<dyn Report + 'o>> {
    let lines = || Place::lines(path, output);
    let whole = || Place::whole(path, output);
    Ok(match kind {
        Kind::Ndjson => Box::new(Ndjson(lines()?)),
        Kind::Csv => Box::new(csv::Csv::begin(lines()?)?),
        Kind::Sarif => Box::new(sarif::Sarif::begin(whole()?)?),
        Kind::Html => Box::new(html::Html::begin(lines()?)?),
        Kind::Junit => Box::new(junit::Junit::begin(whole()?)),
    })
}

/// Where a report goes.
pub enum Place<'o> {
    Stdout(&'o Output),
    /// Written as it comes: a kill leaves whole lines.
    Lines(File),
    /// A document that is worth nothing in part: it appears once it is whole.
    Whole(BufWriter<NamedTempFile>, PathBuf),
}

impl<'o> Place<'o> {
    fn lines(path: &Path, output: &'o Output) -> io::Result<Self> {
        if path == Path::new("-") { Ok(Self::Stdout(output)) } else { File::create(path).map(Self::Lines) }
    }

    fn whole(path: &Path, output: &'o Output) -> io::Result<Self> {
        if path == Path::new("-") {
            return Ok(Self::Stdout(output));
        }
        // A device, a pipe or a link is written into, not replaced.
        if fs::symlink_metadata(path).is_ok_and(|found| !found.is_file()) {
            return File::create(path).map(Self::Lines);
        }
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let file = readable(tempfile::Builder::new().prefix(".boltseal-")).tempfile_in(folder)?;
        Ok(Self::Whole(BufWriter::new(file), path.to_owned()))
    }

    /// Has a whole document appear.
    fn finish(self) -> io::Result<()> {
        match self {
            Self::Whole(file, path) => {
                file.into_inner().map_err(io::IntoInnerError::into_error)?.persist(path)?;
                Ok(())
            }
            Self::Stdout(_) | Self::Lines(_) => Ok(()),
        }
    }
}

/// Temporary files are the owner's alone; a report is as readable as any file.
#[cfg(unix)]
fn readable<'b, 'a>(builder: &'b mut tempfile::Builder<'a, 'a>) -> &'b mut tempfile::Builder<'a, 'a> {
    use std::os::unix::fs::PermissionsExt as _;
    builder.permissions(std::fs::Permissions::from_mode(0o666))
}

#[cfg(not(unix))]
fn readable<'b, 'a>(builder: &'b mut tempfile::Builder<'a, 'a>) -> &'b mut tempfile::Builder<'a, 'a> {
    builder
}

impl Write for Place<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Stdout(output) => {
                output.raw(&String::from_utf8_lossy(bytes));
                Ok(bytes.len())
            }
            Self::Lines(file) => file.write(bytes),
            Self::Whole(file, _) => file.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Stdout(_) => Ok(()),
            Self::Lines(file) => file.flush(),
            Self::Whole(file, _) => file.flush(),
        }
    }
}

/// A record a line, the summary last.
struct Ndjson<'o>(Place<'o>);

impl Report for Ndjson<'_> {
    fn record(&mut self, record: &Record) -> io::Result<()> {
        self.0.write_all(line(record)?.as_bytes())
    }

    fn end(mut self: Box<Self>, summary: &Summary) -> io::Result<()> {
        self.record(&Record::Summary(Box::new(summary.clone())))
    }
}

/// A record as a line of JSON.
pub fn line(record: &Record) -> io::Result<String> {
    let mut line = serde_json::to_string(&Line::of(record))?;
    line.push('\n');
    Ok(line)
}

/// Why nothing is known of the digest that runs, where the decision does not say so itself.
fn silent(image: &ImageRecord) -> Option<&Told> {
    let is_said = image.reasons.iter().any(|reason| reason.id == RUNNING_UNKNOWN);
    image.gaps.iter().find(|gap| gap.id == RUNNING_UNKNOWN && !is_said)
}

/// Reasons or gaps in one line.
fn told(all: &[Told]) -> String {
    all.iter().map(|told| format!("{}: {}", told.id, told.message)).collect::<Vec<_>>().join("; ")
}

#[cfg(test)]
mod tests;
