use super::*;
use std::time::Duration;

fn cache(limit: u64) -> (tempfile::TempDir, EvidenceCache) {
    let home = tempfile::tempdir().unwrap();
    let cache = EvidenceCache::within(&home.path().join("evidence"), limit).unwrap();
    (home, cache)
}

fn file(cache: &EvidenceCache, content: &[u8]) -> PathBuf {
    cache.0.path(&Digest::sha256(content))
}

async fn read(cache: &EvidenceCache, content: &[u8]) -> Option<Vec<u8>> {
    cache.read(Digest::sha256(content), content.len() as u64).await
}

// [V-277]
#[tokio::test]
async fn what_is_kept_comes_back_and_what_was_touched_does_not() {
    let (_home, cache) = cache(EVIDENCE_BYTES);
    let large = vec![7; EVIDENCE_INLINE_BYTES as usize + 1];
    for content in [&b"evidence"[..], &large, b""] {
        assert_eq!(read(&cache, content).await, None);
        cache.keep(Digest::sha256(content), content).await;
        assert_eq!(read(&cache, content).await.as_deref(), Some(content));
    }
    let (content, path) = (b"evidence", file(&cache, b"evidence"));
    for hostile in [&b"evidencE"[..], b"evidenc", b"evidence!", b""] {
        fs::write(&path, hostile).unwrap();
        assert_eq!(read(&cache, content).await, None, "{hostile:?}");
        cache.keep(Digest::sha256(content), content).await;
        assert_eq!(read(&cache, content).await.as_deref(), Some(&content[..]));
    }
    assert_eq!(cache.read(Digest::sha256(content), 9).await, None, "the list states another size");
}

// [V-277]
#[cfg(unix)]
#[tokio::test]
async fn links_folders_pipes_and_others_files_are_not_opened() {
    use std::os::unix::fs::{MetadataExt as _, chown, symlink};
    let (home, cache) = cache(EVIDENCE_BYTES);
    let (content, digest) = (b"evidence", Digest::sha256(b"evidence"));
    cache.keep(digest, content).await;
    let path = file(&cache, content);
    let elsewhere = home.path().join("elsewhere");
    fs::rename(&path, &elsewhere).unwrap();
    symlink(&elsewhere, &path).unwrap();
    assert_eq!(read(&cache, content).await, None);
    cache.keep(digest, content).await;
    assert!(!path.is_symlink() && elsewhere.exists(), "a link is replaced, not followed");
    if fs::metadata(home.path()).unwrap().uid() == 0 {
        chown(&path, Some(12), None).unwrap();
        assert_eq!(read(&cache, content).await, None);
        cache.keep(digest, content).await;
        assert_eq!(read(&cache, content).await.as_deref(), Some(&content[..]));
    }
    fs::remove_file(&path).unwrap();
    fs::create_dir(&path).unwrap();
    assert_eq!(read(&cache, content).await, None);
    cache.keep(digest, content).await;
    assert_eq!(read(&cache, content).await, None, "it can't be kept, and is fetched each time");
}

// [V-277]
#[cfg(unix)]
#[test]
fn a_folder_that_others_may_write_is_refused() {
    use std::os::unix::fs::{PermissionsExt as _, symlink};
    let home = tempfile::tempdir().unwrap();
    let folder = home.path().join("evidence");
    EvidenceCache::open(&folder).unwrap();
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o777)).unwrap();
    EvidenceCache::open(&folder).unwrap_err();
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o700)).unwrap();
    symlink(&folder, home.path().join("link")).unwrap();
    EvidenceCache::open(&home.path().join("link")).unwrap_err();
    fs::write(home.path().join("file"), "").unwrap();
    EvidenceCache::open(&home.path().join("file")).unwrap_err();
}

// [V-277]
#[tokio::test]
async fn the_oldest_goes_first_and_leftovers_go() {
    let (_home, cache) = cache(10 * EVIDENCE_FILE_BYTES);
    let now = SystemTime::now();
    for n in 0..12_u8 {
        cache.keep(Digest::sha256(&[n]), &[n]).await;
        let age = Duration::from_secs(u64::from(n) * 60);
        File::open(file(&cache, &[n])).unwrap().set_modified(now - age).unwrap();
    }
    let folder = file(&cache, &[0]).parent().unwrap().to_owned();
    for (name, age) in [("old", EVIDENCE_LEFTOVER * 2), ("new", Duration::ZERO)] {
        let part = File::create(folder.join(format!("{PART}{name}"))).unwrap();
        part.set_modified(now - age).unwrap();
    }
    cache.0.clean(now);
    let kept: Vec<_> = (0..12_u8).filter(|n| file(&cache, &[*n]).exists()).collect();
    assert_eq!(kept, (0..9).collect::<Vec<_>>());
    assert!(folder.join(format!("{PART}new")).exists() && !folder.join(format!("{PART}old")).exists());
    assert!(!cache.0.is_due());
}

#[test]
fn processes_write_and_clean_one_folder_at_once() {
    let (_home, cache) = cache(20 * EVIDENCE_FILE_BYTES);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            let inner = &cache.0;
            scope.spawn(move || {
                for n in 0..200_u8 {
                    let (content, digest) = ([n; 3], Digest::sha256(&[n; 3]));
                    inner.write(&digest, &content).unwrap();
                    assert!(inner.read(&digest, 3).is_none_or(|read| read == content));
                    if n % 50 == 0 {
                        inner.clean(SystemTime::now());
                    }
                }
            });
        }
    });
}
