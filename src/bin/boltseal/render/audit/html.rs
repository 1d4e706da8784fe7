//! The report for people. What a kill leaves says of itself that it is not whole.

use super::{Place, Report};
use boltseal::ops::audit::{
    html::HtmlReport,
    record::{Record, Summary},
};
use std::io;

pub struct Html<'o>(HtmlReport<Place<'o>>);

impl<'o> Html<'o> {
    pub fn begin(place: Place<'o>) -> io::Result<Self> {
        HtmlReport::begin(place).map(Self)
    }
}

impl Report for Html<'_> {
    fn record(&mut self, record: &Record) -> io::Result<()> {
        self.0.record(record)
    }

    fn end(mut self: Box<Self>, summary: &Summary) -> io::Result<()> {
        self.0.record(&Record::Summary(Box::new(summary.clone())))?;
        self.0.into_inner().finish()
    }
}
