use super::{Kind::Blob, *};
use std::time::Duration;

fn cache(limit: u64) -> (tempfile::TempDir, EvidenceCache) {
    let home = tempfile::tempdir().unwrap();
    let cache = EvidenceCache::within(&home.path().join("evidence"), limit).unwrap();
    (home, cache)
}

/// Waits for the thread that cleans a folder when it is opened; while it is at it, nobody else cleans.
fn stop_writer(cache: &EvidenceCache) {
    let Writer { queue, thread } = lock(&cache.writer).take().unwrap();
    drop(queue);
    thread.join().unwrap();
}

fn file(cache: &EvidenceCache, content: &[u8]) -> PathBuf {
    cache.inner.path(Blob, &Digest::sha256(content))
}

async fn read(cache: &EvidenceCache, content: &[u8]) -> Option<Vec<u8>> {
    cache.read(Blob, Digest::sha256(content), content.len() as u64).await
}

// [V-277]
#[tokio::test]
async fn what_is_kept_comes_back_and_what_was_touched_does_not() {
    let (_home, cache) = cache(EVIDENCE_BYTES);
    let large = vec![7; EVIDENCE_INLINE_BYTES as usize + 1];
    for content in [&b"evidence"[..], &large, b""] {
        assert_eq!(read(&cache, content).await, None);
        let _ = cache.inner.write(Blob, &Digest::sha256(content), content);
        assert_eq!(read(&cache, content).await.as_deref(), Some(content));
    }
    let (content, path) = (b"evidence", file(&cache, b"evidence"));
    for hostile in [&b"evidencE"[..], b"evidenc", b"evidence!", b""] {
        fs::write(&path, hostile).unwrap();
        assert_eq!(read(&cache, content).await, None, "{hostile:?}");
        let _ = cache.inner.write(Blob, &Digest::sha256(content), content);
        assert_eq!(read(&cache, content).await.as_deref(), Some(&content[..]));
    }
    assert_eq!(cache.read(Blob, Digest::sha256(content), 9).await, None, "the list states another size");
    assert_eq!(cache.read(Kind::Manifest, Digest::sha256(content), 8).await, None, "a blob is no manifest");
}

// [V-277]
#[cfg(unix)]
#[tokio::test]
async fn links_folders_pipes_and_others_files_are_not_opened() {
    use std::os::unix::fs::{MetadataExt as _, chown, symlink};
    let (home, cache) = cache(EVIDENCE_BYTES);
    let (content, digest) = (b"evidence", Digest::sha256(b"evidence"));
    let _ = cache.inner.write(Blob, &digest, content);
    let path = file(&cache, content);
    let elsewhere = home.path().join("elsewhere");
    fs::rename(&path, &elsewhere).unwrap();
    symlink(&elsewhere, &path).unwrap();
    assert_eq!(read(&cache, content).await, None);
    let _ = cache.inner.write(Blob, &digest, content);
    assert!(!path.is_symlink() && elsewhere.exists(), "a link is replaced, not followed");
    if fs::metadata(home.path()).unwrap().uid() == 0 {
        chown(&path, Some(12), None).unwrap();
        assert_eq!(read(&cache, content).await, None);
        let _ = cache.inner.write(Blob, &digest, content);
        assert_eq!(read(&cache, content).await.as_deref(), Some(&content[..]));
    }
    fs::remove_file(&path).unwrap();
    fs::create_dir(&path).unwrap();
    assert_eq!(read(&cache, content).await, None);
    let _ = cache.inner.write(Blob, &digest, content);
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
    stop_writer(&cache);
    let now = SystemTime::now();
    for n in 0..12_u8 {
        let _ = cache.inner.write(Blob, &Digest::sha256(&[n]), &[n]);
        let age = Duration::from_secs(u64::from(n) * 60);
        File::open(file(&cache, &[n])).unwrap().set_modified(now - age).unwrap();
    }
    let folder = file(&cache, &[0]).parent().unwrap().to_owned();
    for (name, age) in [("old", EVIDENCE_LEFTOVER * 2), ("new", Duration::ZERO)] {
        let part = File::create(folder.join(format!("{PART}{name}"))).unwrap();
        part.set_modified(now - age).unwrap();
    }
    cache.inner.clean(now);
    let kept: Vec<_> = (0..12_u8).filter(|n| file(&cache, &[*n]).exists()).collect();
    assert_eq!(kept, (0..6).collect::<Vec<_>>());
    assert!(folder.join(format!("{PART}new")).exists() && !folder.join(format!("{PART}old")).exists());
    assert!(!cache.inner.is_due(SystemTime::now()));
    assert!(cache.inner.is_due(now - EVIDENCE_STALE * 2), "it was cleaned ahead of the clock");
    assert!(cache.inner.is_due(now + EVIDENCE_STALE * 2));
}

// [V-277]
#[test]
fn short_runs_together_stay_within_the_limit() {
    let home = tempfile::tempdir().unwrap();
    let (folder, limit) = (home.path().join("evidence"), 80 * EVIDENCE_FILE_BYTES);
    for run in 0..100_u8 {
        let cache = EvidenceCache::within(&folder, limit).unwrap();
        for n in 0..3_u8 {
            cache.keep(Blob, Digest::sha256(&[run, n]), &[run, n]);
        }
        drop(cache);
        let kept = folder.join("sha256");
        let files = entries(&kept).flat_map(|folder| entries(&folder).collect::<Vec<_>>()).count();
        assert!(files <= 80, "{files} after {run}");
    }
}

// [V-277]
#[tokio::test]
async fn what_was_to_be_kept_is_there_once_it_is_dropped() {
    let (home, cache) = cache(EVIDENCE_BYTES);
    let contents: Vec<_> = (0..50_u8).map(|n| vec![n; 1_000]).collect();
    contents.iter().for_each(|content| cache.keep(Blob, Digest::sha256(content), content));
    drop(cache);
    let cache = EvidenceCache::open(&home.path().join("evidence")).unwrap();
    for content in &contents {
        assert_eq!(read(&cache, content).await.as_ref(), Some(content));
    }
}

#[test]
fn processes_write_and_clean_one_folder_at_once() {
    let (_home, cache) = cache(20 * EVIDENCE_FILE_BYTES);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            let inner = &cache.inner;
            scope.spawn(move || {
                for n in 0..200_u8 {
                    let (content, digest) = ([n; 3], Digest::sha256(&[n; 3]));
                    inner.write(Blob, &digest, &content).unwrap();
                    assert!(inner.read(Blob, &digest, 3).is_none_or(|read| read == content));
                    if n % 50 == 0 {
                        inner.clean(SystemTime::now());
                    }
                }
            });
        }
    });
}
