//! A test case an image: what is denied has failed, what could not be told is an error. The crate counts before it writes, so
//! all cases are in memory until the end, about a kilobyte each.

use super::{Place, Report, silent, told};
use crate::output::printable;
use boltseal::ops::audit::record::{Decision, ImageRecord, Record, Summary};
use quick_junit::{NonSuccessKind, Report as Document, TestCase, TestCaseStatus, TestSuite};
use std::io;

pub struct Junit<'o> {
    place: Place<'o>,
    suite: TestSuite,
}

impl<'o> Junit<'o> {
    pub fn begin(place: Place<'o>) -> Self {
        Self { place, suite: TestSuite::new("boltseal audit") }
    }
}

impl Report for Junit<'_> {
    fn record(&mut self, record: &Record) -> io::Result<()> {
        match record {
            Record::Image(image) => self.suite.add_test_case(case(image)),
            Record::Input(input) => {
                let status = not(NonSuccessKind::Error, "input", &input.problem);
                let mut case = TestCase::new(printable(&input.text), status);
                case.set_classname(printable(&input.at));
                self.suite.add_test_case(case)
            }
            Record::Summary(_) => &mut self.suite,
        };
        Ok(())
    }

    fn end(mut self: Box<Self>, summary: &Summary) -> io::Result<()> {
        if let Some(cut) = &summary.cut {
            let status = not(NonSuccessKind::Error, "input", &format!("the input was not read to its end: {cut}"));
            self.suite.add_test_case(TestCase::new(printable(&summary.from.join(", ")), status));
        }
        let mut document = Document::new("boltseal audit");
        document.add_test_suite(self.suite);
        document.serialize(&mut self.place).map_err(io::Error::other)?;
        self.place.finish()
    }
}

fn case(image: &ImageRecord) -> TestCase {
    let why = told(&image.reasons);
    let id = image.reasons.first().map_or(image.decision.word(), |reason| reason.id.as_str());
    let status = match image.decision {
        Decision::Allowed => TestCaseStatus::success(),
        Decision::Denied => not(NonSuccessKind::Failure, id, &why),
        Decision::CouldNotTell => not(NonSuccessKind::Error, id, &why),
        Decision::WouldDeny | Decision::NotJudged => {
            let mut status = TestCaseStatus::skipped();
            status.set_message(printable(&format!("{}: {why}", image.decision.word()))).set_type(id);
            status
        }
    };
    let digest = image.digest.map(|digest| digest.to_string());
    let is_named = digest.as_ref().is_none_or(|digest| image.reference.ends_with(digest.as_str()));
    let name =
        if is_named { image.reference.clone() } else { format!("{}@{}", image.reference, digest.unwrap_or_default()) };
    let mut case = TestCase::new(printable(&name), status);
    case.set_classname(printable(image.scope.as_deref().unwrap_or("no scope")));
    if let Some(gap) = silent(image) {
        case.set_system_out(printable(&format!("{}: {}", gap.id, gap.message)));
    }
    case
}

fn not(kind: NonSuccessKind, id: &str, why: &str) -> TestCaseStatus {
    let mut status = TestCaseStatus::non_success(kind);
    status.set_type(id).set_message(printable(why));
    status
}
