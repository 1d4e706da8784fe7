//! What a Dockerfile has pulled: its frontend, the images of its stages, and those that are copied from or mounted. The rest of
//! the language is passed over, so that only its lines, quotes and heredocs have to be understood (Dockerfile reference;
//! BuildKit's parser).

use super::{
    Named, Names, Unpinnable, line_of,
    shell::{Lines, Word, words},
};

/// What BuildKit takes out of a flag before it reads it, or may.
const QUOTING: [char; 4] = ['"', '\'', '\\', '`'];

/// Of a frontend that is named as no Dockerfile names it, and of its language.
const FRONTEND: &str =
    "this is not a Dockerfile's language, and is not read: name the frontend by # syntax=IMAGE in the first line";

struct Reader<'t> {
    text: &'t str,
    names: Names,
    /// Names of the stages so far, in lower case.
    stages: Vec<Option<String>>,
    /// Arguments before the first stage, with their defaults.
    arguments: Vec<(String, Option<Word>)>,
}

pub(super) fn names(text: &str) -> Names {
    let mut reader = Reader { text, names: Names::default(), stages: Vec::new(), arguments: Vec::new() };
    let mut lines = Lines::new(text);
    let escape = reader.directives(&mut lines);
    while let Some(line) = lines.logical(escape) {
        let words = words(&line, escape);
        reader.instruction(&words);
        for heredoc in heredocs(&words) {
            if !heredoc.skip(&mut lines) {
                let at = words.first().map_or(0, |word| word.at.start);
                reader.tell(at, format!("the heredoc {} does not end: what follows was not read", heredoc.name));
            }
        }
    }
    reader.names
}

impl Reader<'_> {
    /// Reads the parser's directives at the start; the escape character. BuildKit looks for the frontend behind a line
    /// `#!`, and in comments of C, too.
    fn directives(&mut self, lines: &mut Lines<'_>) -> char {
        let shebang = lines.starts_with("#!");
        if shebang {
            lines.advance();
        }
        let comment = if lines.starts_with("//") { "//" } else { "#" };
        let mut escape = '\\';
        while let Some((start, line)) = lines.peek() {
            let Some((name, value)) = line.trim().strip_prefix(comment).and_then(|line| line.split_once('=')) else {
                break;
            };
            let (name, value) = (name.trim().to_ascii_lowercase(), value.trim());
            match name.as_str() {
                "escape" if value == "`" && shebang => {
                    self.tell(start, "# escape behind #! is not read: take the line #! out".to_owned());
                }
                "escape" if value == "`" => escape = '`',
                "syntax" if comment == "//" => self.tell(start, FRONTEND.to_owned()),
                "syntax" => {
                    let text = value.split_whitespace().next().unwrap_or_default();
                    let at = start + line.find('=').map_or(0, |at| at + 1);
                    let blank = self.text.get(at..).map_or(0, |rest| rest.len() - rest.trim_start().len());
                    let at = at + blank;
                    self.image(&Word { text: text.to_owned(), at: at..at + text.len() }, "# syntax");
                }
                "escape" | "check" => {}
                _ => break,
            }
            lines.advance();
        }
        escape
    }

    fn instruction(&mut self, words: &[Word]) {
        let Some((keyword, rest)) = words.split_first() else { return };
        let flags = || rest.iter().take_while(|word| word.text.starts_with("--"));
        match keyword.text.to_ascii_uppercase().as_str() {
            "ONBUILD" => self.instruction(rest),
            "ARG" if self.stages.is_empty() => self.arguments(rest),
            "FROM" => self.stage(rest),
            "COPY" => flags().for_each(|flag| self.named(flag, "--from=", "COPY --from")),
            "RUN" => {
                let fields = flags().flat_map(parts).map(|field| field.after("--mount=").unwrap_or(field));
                fields.for_each(|field| self.named(&field, "from=", "RUN --mount"));
            }
            // BuildKit looks into JSON for a frontend. One line of it is told, and not each.
            json if json.starts_with('{') && self.names.unpinnable.is_empty() => {
                self.tell(keyword.at.start, FRONTEND.to_owned());
            }
            _ => {}
        }
    }

    fn arguments(&mut self, words: &[Word]) {
        for word in words {
            match word.text.split_once('=') {
                Some((name, _)) => self.arguments.push((name.to_owned(), word.after(&format!("{name}=")))),
                None => self.arguments.push((word.text.clone(), None)),
            }
        }
    }

    /// `FROM [--platform=…] image [AS name]`. The platform has no part: what is pinned is the index.
    fn stage(&mut self, words: &[Word]) {
        let mut rest = words.iter().skip_while(|word| word.text.starts_with("--"));
        let image = rest.next();
        let name = match (rest.next(), rest.next()) {
            (Some(word), Some(name)) if word.text.eq_ignore_ascii_case("as") => Some(name.text.to_ascii_lowercase()),
            _ => None,
        };
        if let Some(image) = image.filter(|image| !image.text.eq_ignore_ascii_case("scratch") && !self.is_stage(image))
        {
            self.expanded(image);
        }
        self.stages.push(name);
    }

    fn is_stage(&self, word: &Word) -> bool {
        let name = word.text.to_ascii_lowercase();
        self.stages.iter().any(|stage| stage.as_deref() == Some(name.as_str()))
    }

    /// A stage's image: as it stands, or the default of the argument that it is.
    fn expanded(&mut self, word: &Word) {
        if !word.text.contains('$') {
            return self.image(word, "FROM");
        }
        let inner = word.after("${").and_then(|inner| {
            let text = inner.text.strip_suffix('}')?.to_owned();
            Some(Word { at: inner.at.start..inner.at.end - 1, text })
        });
        let inner = inner.or_else(|| word.after("$"));
        let name_of = |inner: &Word| inner.text.split(":-").next().unwrap_or_default().to_owned();
        let name = inner.as_ref().map(name_of).unwrap_or_default();
        let is_name = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
        let default =
            self.arguments.iter().rev().find(|(argument, _)| *argument == name).and_then(|(_, word)| word.clone());
        let here = || inner.as_ref()?.after(&format!("{name}:-"));
        let whole = inner.as_ref().is_some_and(|inner| inner.text == name) || here().is_some();
        let by = if default.is_some() { "ARG" } else { "FROM" };
        match default.or_else(here) {
            Some(default) if is_name && whole && !default.text.contains('$') => self.image(&default, by),
            _ => self
                .hidden(word, "is not one argument with a default: write the image out, or put all of it into one ARG"),
        }
    }

    /// What stands behind a key, which may be in any case. Where quotes may hide the key, that is told.
    fn named(&mut self, word: &Word, key: &str, by: &'static str) {
        let start = word.text.get(..key.len()).filter(|start| start.eq_ignore_ascii_case(key));
        let unquoted = || word.text.replace(QUOTING, "").to_ascii_lowercase();
        match start.and_then(|start| word.after(start)) {
            Some(from) => self.from(&from, by),
            None if word.text.contains(QUOTING) && unquoted().contains(key) => {
                self.hidden(word, &format!("may name an image: write {key}IMAGE without quotes and escapes"));
            }
            None => {}
        }
    }

    /// `--from`: a stage by name or number, or an image.
    fn from(&mut self, word: &Word, by: &'static str) {
        let numbered = word.text.parse::<usize>().is_ok();
        if numbered || self.is_stage(word) {
            return;
        }
        match word.text.contains('$') {
            true => self.hidden(word, "is no image's name: write it out"),
            false => self.image(word, by),
        }
    }

    fn image(&mut self, word: &Word, by: &'static str) {
        if !word.is_whole() || word.text.contains(QUOTING) {
            return self.hidden(word, "is not written as one plain word");
        }
        let line = line_of(self.text, word.at.start);
        self.names.images.push(Named { text: word.text.clone(), at: word.at.clone(), line, by });
    }

    fn hidden(&mut self, word: &Word, why: &str) {
        self.tell(word.at.start, format!("{} {why}", word.text));
    }

    fn tell(&mut self, at: usize, why: String) {
        self.names.unpinnable.push(Unpinnable { line: line_of(self.text, at), why, file: None });
    }
}

/// What stands between commas. Of a word with a line's end in it no part is known to be whole.
fn parts(word: &Word) -> impl Iterator<Item = Word> {
    let (whole, all) = (word.is_whole(), word.at.clone());
    let mut start = word.at.start;
    word.text.split(',').map(move |text| {
        let at = if whole { start..start + text.len() } else { all.clone() };
        start += text.len() + 1;
        Word { text: text.to_owned(), at }
    })
}

struct Heredoc {
    name: String,
    tabs: bool,
}

/// The heredocs that an instruction opens: words of the form `[N]<<[-]NAME`.
fn heredocs(words: &[Word]) -> Vec<Heredoc> {
    let rest = match words {
        [onbuild, rest @ ..] if onbuild.text.eq_ignore_ascii_case("onbuild") => rest,
        all => all,
    };
    let takes = |word: &Word| ["RUN", "COPY", "ADD"].iter().any(|keyword| word.text.eq_ignore_ascii_case(keyword));
    if !rest.first().is_some_and(takes) {
        return Vec::new();
    }
    let one = |word: &Word| {
        let after = word.text.trim_start_matches(|c: char| c.is_ascii_digit()).strip_prefix("<<")?;
        let (tabs, name) = after.strip_prefix('-').map_or((false, after), |name| (true, name));
        let name = name.trim_matches(['"', '\'']);
        (!name.is_empty() && !name.contains('<')).then(|| Heredoc { name: name.to_owned(), tabs })
    };
    rest.iter().filter_map(one).collect()
}

impl Heredoc {
    /// Passes over the content; whether it ends.
    fn skip(&self, lines: &mut Lines<'_>) -> bool {
        while let Some((_, line)) = lines.peek() {
            lines.advance();
            let line = if self.tabs { line.trim_start_matches('\t') } else { line };
            if line == self.name {
                return true;
            }
        }
        false
    }
}
