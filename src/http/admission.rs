//! Who gets a seat: a pure count of connections, owned by the accept loop.

/// Connections above the configured maximum that still get health answers:
/// a balancer must be able to see a full house.
pub(super) const RESERVE: usize = 64;

/// Connections above that which are told "503" and closed, at any one time.
pub(super) const OVERFLOW: usize = 64;

/// The admin listener serves an operator, a scraper and a balancer or two.
pub(super) const MAX_ADMIN_CONNECTIONS: usize = 256;

/// How a connection is treated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Seat {
    /// Everything is answered.
    Full,
    /// One request, and only health is answered.
    Reserve,
    /// A prepared 503, without being asked.
    Overflow,
}

/// The seats that are taken.
#[derive(Debug, Default)]
pub(super) struct Admission {
    full: usize,
    reserve: usize,
    overflow: usize,
}

impl Admission {
    /// Takes a seat for a new connection, or none when even the overflow is
    /// full: then the connection is closed without a word.
    pub(super) fn enter(&mut self, max_connections: usize) -> Option<Seat> {
        let seats = [
            (Seat::Full, max_connections),
            (Seat::Reserve, RESERVE),
            (Seat::Overflow, OVERFLOW),
        ];
        let (seat, _) = seats
            .into_iter()
            .find(|(seat, limit)| *self.taken(*seat) < *limit)?;
        *self.taken(seat) += 1;
        Some(seat)
    }

    pub(super) fn leave(&mut self, seat: Seat) {
        *self.taken(seat) -= 1;
    }

    /// Connections that are served, reserve included.
    pub(super) fn served(&self) -> usize {
        self.full + self.reserve
    }

    fn taken(&mut self, seat: Seat) -> &mut usize {
        match seat {
            Seat::Full => &mut self.full,
            Seat::Reserve => &mut self.reserve,
            Seat::Overflow => &mut self.overflow,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seats_fill_in_order_and_never_overfill() {
        let mut admission = Admission::default();
        let seats: Vec<_> = (0..2 + RESERVE + OVERFLOW)
            .map(|_| admission.enter(2).expect("a seat"))
            .collect();
        assert_eq!(seats[..2], [Seat::Full; 2]);
        assert!(seats[2..2 + RESERVE].iter().all(|s| *s == Seat::Reserve));
        assert!(seats[2 + RESERVE..].iter().all(|s| *s == Seat::Overflow));
        assert_eq!(admission.enter(2), None);
        assert_eq!(admission.served(), 2 + RESERVE);

        admission.leave(Seat::Full);
        assert_eq!(admission.enter(2), Some(Seat::Full));
    }

    #[test]
    fn a_lowered_maximum_seats_nobody_until_enough_have_left() {
        let mut admission = Admission::default();
        for _ in 0..3 {
            assert_eq!(admission.enter(3), Some(Seat::Full));
        }
        admission.leave(Seat::Full);
        assert_eq!(admission.enter(1), Some(Seat::Reserve));
    }
}
