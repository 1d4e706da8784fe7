use super::*;
use crate::{
    ops::trust::staged::StagedFile,
    sign::Signer as _,
    trust::tuf::{
        author::{add_signer, next_root, set_signer_threshold, set_tag},
        tests::repo::{REPOSITORY, Repo, in_days, key, releases, sign, signed, target},
    },
};

/// A next file of the map with one more tag, signed by its key.
fn next(repo: &Repo, tag: &str) -> Metadata<Targets> {
    let next = repo.next(&releases(), |list| set_tag(list, tag, target(tag)).unwrap());
    Metadata::decode(&signed(next, &repo.delegation_keys(), &[&repo.releases_key])).unwrap()
}

/// The map's tags after these files were staged, and the digest of its file.
fn merged(repo: &Repo, files: &[&Metadata<Targets>]) -> (Vec<String>, Digest) {
    let state = repo.fresh().unwrap();
    let mut draft = Draft::of(&state, REPOSITORY);
    let staged = |file: &&Metadata<Targets>| StagedFile {
        place: releases(),
        role: releases(),
        key: repo.releases_key.public_key().fingerprint(),
        sealed: false,
        metadata: (*file).clone(),
    };
    let files = files.iter().map(staged).collect();
    draft.merge(&Staged { files, ..Staged::default() });
    let map = &draft.roles[&releases()];
    (map.metadata.signed().targets.iter().map(|(path, _)| path.to_owned()).collect(), Digest::sha256(&map.bytes))
}

// [V-95]
#[test]
fn of_two_files_made_from_the_same_all_writers_take_the_same() {
    let repo = Repo::new();
    let (a, b) = (next(&repo, "a"), next(&repo, "b"));
    let first = if Digest::sha256(&a.encode()) < Digest::sha256(&b.encode()) { "a" } else { "b" };
    let expected = ["1.0", first].map(str::to_owned).to_vec();
    assert_eq!(merged(&repo, &[&a, &b]), merged(&repo, &[&b, &a]));
    assert_eq!(merged(&repo, &[&a, &b]).0, expected);
}

// [V-95]
#[test]
fn of_two_signers_the_one_goes_first_whose_turn_it_is() {
    let mut repo = Repo::new();
    let second = key();
    let public = second.public_key().clone();
    repo.edit(&RoleName::Targets, |targets| add_signer(targets, &releases(), &public).unwrap());
    repo.seal();
    let keys = repo.delegation_keys();
    for round in 0..6 {
        let first = &repo.releases_key;
        let [own, other] = if round % 2 == 0 { [first, &second] } else { [&second, first] };
        let by = |signer, tag: &str| {
            let next = repo.next(&releases(), |list| set_tag(list, tag, target(tag)).unwrap());
            Metadata::decode(&signed(next, &keys, &[signer])).unwrap()
        };
        let staged = [by(own, &format!("own{round}")), by(other, &format!("other{round}"))];
        let (tags, _) = merged(&repo, &[&staged[0], &staged[1]]);
        assert!(tags.contains(&format!("other{round}")) && !tags.contains(&format!("own{round}")), "{tags:?}");
        let taken = &staged[1];
        repo.roles.insert(releases(), (taken.signed().clone(), taken.encode()));
        repo.seal();
    }
}

// [V-95]
#[test]
fn a_file_fits_that_was_made_from_the_one_that_is_there_for_the_same_repository() {
    let mut repo = Repo::new();
    let good = next(&repo, "a");
    let resigned = |change: &dyn Fn(&mut Targets)| {
        let mut bad = good.signed().clone();
        change(&mut bad);
        Metadata::decode(&signed(bad, &repo.delegation_keys(), &[&repo.releases_key])).unwrap()
    };
    let spoiled = [
        resigned(&|bad| bad.header.version += 1),
        resigned(&|bad| bad.binding.as_mut().unwrap().previous = Some(Digest::sha256(b"another"))),
        resigned(&|bad| bad.binding.as_mut().unwrap().repository = "registry.example.com/shop/till".to_owned()),
        resigned(&|bad| bad.binding = None),
        good.without_signatures(),
    ];
    for bad in &spoiled {
        assert_eq!(merged(&repo, &[bad]).0, ["1.0"]);
    }
    assert_eq!(merged(&repo, &[&good]).0, ["1.0", "a"]);
    repo.edit(&releases(), |list| set_tag(list, "b", target("b")).unwrap());
    repo.seal();
    assert_eq!(merged(&repo, &[&good]).0, ["1.0", "b"], "others were faster");
}

/// The map's list split by its key: the map's next file, and the bins' first ones.
fn split(repo: &Repo) -> (Metadata<Targets>, Bins) {
    let top = repo.roles[&RoleName::Targets].0.clone();
    let mut map = repo.next(&releases(), |_| ());
    let bins = author::split(&top, &releases(), &mut map).unwrap();
    let file = |list| Metadata::decode(&signed(list, &repo.delegation_keys(), &[&repo.releases_key])).unwrap();
    (file(map), bins.into_iter().map(|(bin, list)| (bin, file(list))).collect())
}

#[test]
fn a_split_list_is_taken_in_with_all_its_bins_or_not_at_all() {
    let mut repo = Repo::new();
    let taken = |repo: &Repo, map: &Metadata<Targets>, bins: &Bins| {
        let staged = |role: &RoleName, file: &Metadata<Targets>| StagedFile {
            place: releases(),
            role: role.clone(),
            key: repo.releases_key.public_key().fingerprint(),
            sealed: false,
            metadata: file.clone(),
        };
        let files = bins.iter().map(|(bin, file)| staged(bin, file)).chain([staged(&releases(), map)]);
        let (state, staged) = (repo.fresh().unwrap(), Staged { files: files.collect(), ..Staged::default() });
        let mut draft = Draft::of(&state, REPOSITORY);
        draft.merge(&staged);
        assert_eq!(draft.waiting(), [], "what is not taken in waits for nobody's signature");
        let lister = draft.lister(&releases(), "1.0");
        assert!(draft.file(&lister).unwrap().signed().targets.contains("1.0"));
        (lister != releases(), draft.is_live())
    };
    let (map, bins) = split(&repo);
    assert_eq!(taken(&repo, &map, &bins), (true, false));
    for lacking in 0..bins.len() {
        let mut bins = bins.clone();
        bins.remove(lacking);
        assert_eq!(taken(&repo, &map, &bins), (false, true), "bin {lacking} is not there");
    }
    let mut unsigned = bins.clone();
    unsigned[3].1 = unsigned[3].1.without_signatures();
    assert_eq!(taken(&repo, &map, &unsigned), (false, true));
    // Others were faster: neither the map nor its bins fit any more, and the bins fit no other split.
    repo.edit(&releases(), |list| set_tag(list, "2.0", target("two")).unwrap());
    repo.seal();
    assert_eq!(taken(&repo, &map, &bins), (false, true));
    let (newer, own) = split(&repo);
    assert_eq!(taken(&repo, &newer, &bins), (false, true));
    assert_eq!(taken(&repo, &newer, &own.iter().chain(&bins).cloned().collect()), (true, false));
}

// [V-95]
#[test]
fn signatures_of_the_same_content_are_joined_and_junk_takes_no_one_s_place() {
    let mut repo = Repo::new();
    let second = key();
    let public = second.public_key().clone();
    repo.edit(&RoleName::Targets, |targets| {
        add_signer(targets, &releases(), &public).unwrap();
        set_signer_threshold(targets, &releases(), 2).unwrap();
    });
    let keys = repo.delegation_keys();
    let map = repo.roles[&releases()].0.clone();
    repo.roles.insert(releases(), (map.clone(), signed(map, &keys, &[&repo.releases_key, &second])));
    repo.seal();
    let one = next(&repo, "a");
    let mut other = one.without_signatures();
    sign(&mut other, &keys, &[&second]);
    assert_eq!(merged(&repo, &[&one]).0, ["1.0"], "one of two");
    let junk = {
        let mut junk = one.clone();
        junk.put_signature(&one.signatures()[0].keyid, &[7; 64]);
        junk
    };
    let both = merged(&repo, &[&one, &other]);
    assert_eq!(both.0, ["1.0", "a"]);
    assert_eq!(merged(&repo, &[&junk, &other, &one]), both);

    let root = next_root(&repo.root, in_days(9)).unwrap();
    let halves = [0, 1].map(|at| signed(root.clone(), &repo.root.keys, &[&repo.root_keys[at]]));
    let halves = halves.map(|half| Metadata::<Root>::decode(&half).unwrap());
    let state = repo.fresh().unwrap();
    let joined = |roots: Vec<Metadata<Root>>| {
        let mut draft = Draft::of(&state, REPOSITORY);
        draft.merge(&Staged { roots, ..Staged::default() });
        draft.newer(&RoleName::Root)["2.root.json"].clone()
    };
    let [one, other] = halves;
    assert_eq!(joined(vec![one.clone(), other.clone()]), joined(vec![other, one]));
}
