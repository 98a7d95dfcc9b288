use futures_util::FutureExt;

use super::*;

/// A required dependency that is in `status`, and a disabled one.
pub(crate) fn snapshot(sequence: u64, status: Status) -> Snapshot {
    let dependency = |name: &str, status| {
        Arc::new(DependencyHealth {
            status,
            ..DependencyHealth::unknown(
                name.parse().unwrap(),
                Kind::Tcp,
                Policy::Required,
                Timestamp::UNIX_EPOCH,
            )
        })
    };
    Snapshot {
        sequence,
        dependencies: [dependency("a", status), dependency("b", Status::Disabled)]
            .into_iter()
            .collect(),
        timeline: Arc::default(),
    }
}

pub(crate) fn pair() -> (Writer, Reader) {
    let render = |snapshot: &Snapshot| Bytes::from(snapshot.sequence.to_string());
    channel(snapshot(1, Status::Starting), render)
}

#[test]
fn unknown_is_never_up_and_what_is_not_watched_never_counts() {
    for status in Status::ALL {
        let up = matches!(status, Status::Ok | Status::Failing);
        let inert = matches!(status, Status::Disabled | Status::NotConfigured);
        assert_eq!(status.is_up(), up, "{status}");
        assert_eq!(status.counts(), !inert, "{status}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_left_of_a_deadline() {
    let (now, second) = (Instant::now(), Duration::from_secs(1));
    assert_eq!(StartDeadline::Never.left(now), None);
    assert_eq!(StartDeadline::Paused(second).left(now), Some(second));
    let end = StartDeadline::At(now + second);
    assert_eq!(end.left(now), Some(second));
    assert_eq!(end.left(now + 2 * second), Some(Duration::ZERO));
}

#[test]
fn a_dependency_is_found_by_its_name() {
    let snapshot = snapshot(1, Status::Ok);
    let status = |name| snapshot.dependencies.get(name).map(|found| found.status);
    assert_eq!(status("a"), Some(Status::Ok));
    assert_eq!(status("b"), Some(Status::Disabled));
    assert_eq!(status("c"), None);
}

#[test]
fn what_is_published_is_there_with_all_that_follows_from_it() {
    let (mut writer, reader) = pair();
    assert_eq!(reader.current().body(), "1");
    assert!(!reader.current().verdict.required_up);
    writer.publish(snapshot(2, Status::Ok));
    assert_eq!(reader.current().body(), "2");
    assert!(reader.current().verdict.required_up);
    assert_eq!(reader.current().snapshot, snapshot(2, Status::Ok));
}

#[test]
fn each_reader_hears_of_each_change_once() {
    let (mut writer, mut reader) = pair();
    let mut other = reader.clone();
    assert!(reader.changed().now_or_never().is_none());
    writer.publish(snapshot(2, Status::Ok));
    writer.publish(snapshot(3, Status::Error));
    for reader in [&mut reader, &mut other] {
        let heard = reader.changed().now_or_never().unwrap().unwrap();
        assert_eq!(heard.snapshot.sequence, 3, "the last of several");
        assert!(reader.changed().now_or_never().is_none());
    }
    drop(writer);
    assert_eq!(
        reader.changed().now_or_never().unwrap().err(),
        Some(WriterGone)
    );
}

#[test]
fn a_condition_is_waited_for_beginning_with_what_is() {
    let (mut writer, mut reader) = pair();
    let is = |sequence| move |published: &Published| published.snapshot.sequence == sequence;
    assert!(reader.wait_for(is(1)).now_or_never().unwrap().is_ok());
    assert!(reader.wait_for(is(2)).now_or_never().is_none());
    writer.publish(snapshot(2, Status::Ok));
    let found = reader.wait_for(is(2)).now_or_never().unwrap().unwrap();
    assert_eq!(found.snapshot.sequence, 2);
    drop(writer);
    assert!(reader.wait_for(is(2)).now_or_never().unwrap().is_ok());
    assert!(reader.wait_for(is(3)).now_or_never().unwrap().is_err());
}
