pub fn cases() -> Vec<crate::bench::Case> {
    Vec::new()
}
