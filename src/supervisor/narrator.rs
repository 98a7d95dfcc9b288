//! What people are told of one dependency, and what they are spared.
//!
//! Transitions are told, successes are not. Whatever stays down is recalled
//! once a minute; whatever flaps is summed up once a minute.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

use crate::health::Status;
use crate::health::machine::Transition;

const MINUTE: Duration = Duration::from_mins(1);
/// More than this many departures from `ok` within a minute are flapping.
const CALM: usize = 6;

#[derive(Debug, Clone, Default)]
pub(crate) struct Narrator {
    departures: VecDeque<Instant>,
    /// When flapping was last summed up, while it lasts.
    summed_up: Option<Instant>,
    /// When people last heard that it is down.
    told_down: Option<Instant>,
}

/// What to tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tale {
    Transition(Transition),
    /// It is still down.
    StillDown,
    /// It left `ok` this often within the last minute.
    Flapping(usize),
    /// It flaps no more.
    Calmed,
}

impl Narrator {
    /// A transition happened.
    pub(crate) fn transition(&mut self, transition: Transition, now: Instant) -> Option<Tale> {
        self.forget_old(now);
        if transition.previous == Status::Ok {
            self.departures.push_back(now);
        }
        if self.summed_up.is_some() {
            return None;
        }
        if self.departures.len() > CALM {
            self.summed_up = Some(now);
            return Some(Tale::Flapping(self.departures.len()));
        }
        self.told_down = (transition.status == Status::Error).then_some(now);
        Some(Tale::Transition(transition))
    }

    /// A check ended without a transition.
    pub(crate) fn checked(&mut self, status: Status, now: Instant) -> Option<Tale> {
        if let Some(last) = self.summed_up {
            if now.duration_since(last) < MINUTE {
                return None;
            }
            self.forget_old(now);
            if self.departures.len() > CALM {
                self.summed_up = Some(now);
                return Some(Tale::Flapping(self.departures.len()));
            }
            self.summed_up = None;
            self.told_down = (status == Status::Error).then_some(now);
            return Some(Tale::Calmed);
        }
        let due = self
            .told_down
            .is_some_and(|told| now.duration_since(told) >= MINUTE);
        if status == Status::Error && due {
            self.told_down = Some(now);
            return Some(Tale::StillDown);
        }
        None
    }

    fn forget_old(&mut self, now: Instant) {
        while self
            .departures
            .front()
            .is_some_and(|at| now.duration_since(*at) >= MINUTE)
        {
            self.departures.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::health::machine::TransitionKind;

    fn step(previous: Status, status: Status, kind: TransitionKind) -> Transition {
        Transition {
            kind,
            previous,
            status,
        }
    }

    fn down() -> Transition {
        step(Status::Ok, Status::Error, TransitionKind::Down)
    }

    fn up() -> Transition {
        step(Status::Error, Status::Ok, TransitionKind::Recovered)
    }

    #[tokio::test(start_paused = true)]
    async fn an_hour_of_being_down_costs_a_line_a_minute() {
        let mut narrator = Narrator::default();
        let mut now = Instant::now();
        assert!(narrator.transition(down(), now).is_some());
        let mut lines = 0;
        for _ in 0..3_600 {
            now += Duration::from_secs(1);
            lines += usize::from(narrator.checked(Status::Error, now).is_some());
        }
        assert_eq!(lines, 60);
        assert_eq!(narrator.transition(up(), now), Some(Tale::Transition(up())));
        assert_eq!(narrator.checked(Status::Ok, now + MINUTE), None);
    }

    #[tokio::test(start_paused = true)]
    async fn an_hour_of_flapping_costs_a_summary_a_minute() {
        let mut narrator = Narrator::default();
        let mut now = Instant::now();
        let (mut transitions, mut summaries) = (0, 0);
        for _ in 0..3_600 {
            now += Duration::from_secs(1);
            let tales = [
                narrator.transition(down(), now),
                narrator.checked(Status::Error, now),
                narrator.transition(up(), now),
            ];
            for tale in tales.into_iter().flatten() {
                match tale {
                    Tale::Transition(_) => transitions += 1,
                    Tale::Flapping(flaps) => {
                        assert!(flaps > CALM);
                        summaries += 1;
                    }
                    other => panic!("{other:?} is not expected"),
                }
            }
        }
        assert_eq!(transitions, 2 * CALM);
        assert_eq!(summaries, 60);

        now += MINUTE;
        assert_eq!(narrator.checked(Status::Ok, now), Some(Tale::Calmed));
        assert_eq!(
            narrator.transition(down(), now),
            Some(Tale::Transition(down()))
        );
    }

    /// A narrator that summed up flapping at the answered instant, with
    /// exactly [`CALM`] further departures in the seconds after it.
    fn flapping(began: Instant) -> (Narrator, Instant) {
        let mut narrator = Narrator::default();
        for _ in 0..=CALM {
            narrator.transition(down(), began);
            narrator.transition(up(), began);
        }
        let mut now = began;
        for _ in 0..CALM {
            now += Duration::from_secs(1);
            assert_eq!(narrator.transition(down(), now), None);
        }
        (narrator, began)
    }

    #[tokio::test(start_paused = true)]
    async fn what_leaves_ok_as_often_as_is_calm_has_calmed() {
        let (mut narrator, summed_up) = flapping(Instant::now());
        let almost = summed_up + MINUTE - Duration::from_nanos(1);
        assert_eq!(narrator.checked(Status::Error, almost), None);
        // Those of the first second are a minute old: they count no more.
        let due = summed_up + MINUTE;
        assert_eq!(narrator.checked(Status::Error, due), Some(Tale::Calmed));
        assert_eq!(narrator.checked(Status::Error, due), None);
        let later = due + MINUTE;
        assert_eq!(narrator.checked(Status::Ok, later), None);
        assert_eq!(
            narrator.checked(Status::Error, later),
            Some(Tale::StillDown),
            "it was down when it calmed"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn what_calmed_and_is_up_is_not_called_down() {
        let (mut narrator, summed_up) = flapping(Instant::now());
        let due = summed_up + MINUTE;
        assert_eq!(narrator.checked(Status::Ok, due), Some(Tale::Calmed));
        assert_eq!(narrator.checked(Status::Error, due + MINUTE), None);
    }

    #[tokio::test(start_paused = true)]
    async fn one_departure_more_than_is_calm_is_summed_up_with_their_number() {
        let mut narrator = Narrator::default();
        let now = Instant::now();
        for _ in 0..CALM {
            assert!(matches!(
                narrator.transition(down(), now),
                Some(Tale::Transition(_))
            ));
            narrator.transition(up(), now);
        }
        let last = now + MINUTE - Duration::from_nanos(1);
        assert_eq!(
            narrator.clone().transition(down(), last),
            Some(Tale::Flapping(CALM + 1))
        );
        assert_eq!(
            narrator.transition(down(), now + MINUTE),
            Some(Tale::Transition(down())),
            "the others are a minute ago"
        );
    }
}
