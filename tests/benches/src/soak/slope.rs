//! By how much something grows, and how sure that is.

/// So many standard errors are chance once in two thousand.
const SURE: f64 = 3.3;

/// A straight line through points, by least squares.
pub(super) struct Slope {
    pub(super) slope: f64,
    error: f64,
}

impl Slope {
    pub(super) fn of(points: &[(f64, f64)]) -> Self {
        let count = points.len() as f64;
        if points.len() < 4 {
            return Self { slope: 0.0, error: f64::INFINITY };
        }
        let (x_mean, y_mean) = (sum(points, |x, _| x) / count, sum(points, |_, y| y) / count);
        let spread = sum(points, |x, _| (x - x_mean).powi(2));
        let slope = sum(points, |x, y| (x - x_mean) * (y - y_mean)) / spread;
        let rests: Vec<f64> = points.iter().map(|(x, y)| y - y_mean - slope * (x - x_mean)).collect();
        let squares: f64 = rests.iter().map(|rest| rest * rest).sum();
        // Samples resemble those before them, so there are fewer to learn from than there are.
        let alike = rests.windows(2).map(|pair| pair[0] * pair[1]).sum::<f64>() / squares.max(f64::MIN_POSITIVE);
        let alike = alike.clamp(0.0, 0.95);
        let learnt = (count * (1.0 - alike) / (1.0 + alike)).max(3.0);
        Self { slope, error: (squares / count / (learnt - 2.0) * count / spread).sqrt() }
    }

    /// What is left and right of the slope.
    pub(super) fn margin(&self) -> f64 {
        SURE * self.error
    }

    /// The slope is as large as this, as sure as that can be.
    pub(super) fn at_least(&self) -> f64 {
        self.slope - self.margin()
    }
}

fn sum(points: &[(f64, f64)], of: impl Fn(f64, f64) -> f64) -> f64 {
    points.iter().map(|(x, y)| of(*x, *y)).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A hundred samples with a noise that looks like none.
    fn samples(slope: f64, noise: f64) -> Vec<(f64, f64)> {
        let wave = |number: u32| f64::from(number * 7919 % 101) / 50.0 - 1.0;
        (0..100)
            .map(|number| (f64::from(number) / 100.0, 10.0 + slope * f64::from(number) / 100.0 + noise * wave(number)))
            .collect()
    }

    #[test]
    fn what_grows_is_told_from_what_only_moves() {
        let straight = Slope::of(&samples(3.0, 0.0));
        assert!((straight.slope - 3.0).abs() < 1e-9 && straight.margin() < 1e-6);
        assert!(Slope::of(&samples(3.0, 1.0)).at_least() > 0.0);
        assert!(Slope::of(&samples(0.0, 1.0)).at_least() < 0.0);
        assert!(Slope::of(&samples(0.0, 0.0)).at_least() <= 0.0);
        assert!(Slope::of(&[(0.0, 1.0), (1.0, 9.0)]).at_least() < 0.0, "two points say nothing");
    }

    #[test]
    fn a_step_is_less_sure_than_a_line() {
        let step: Vec<(f64, f64)> =
            (0..100).map(|number| (f64::from(number) / 100.0, if number < 50 { 0.0 } else { 3.0 })).collect();
        assert!(Slope::of(&step).margin() > Slope::of(&samples(3.0, 1.0)).margin());
    }
}
