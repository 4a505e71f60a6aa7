// The measures of a multi-directional tapping task. Pure: numbers in, numbers out.
//
// Sources: ISO/TS 9241-411:2012, Annex B, for the task and for throughput from effective
// measures; Soukoreff & MacKenzie (2004), "Towards a standard for pointing device evaluation",
// Int. J. Human-Computer Studies 61, 751-789, for projecting on the task axis and for including
// the misses.
//
// Lengths are in the study's units with the ring's centre at (0, 0) and y pointing down, times in
// milliseconds, indices of difficulty in bits, throughput in bits per second.

/** The standard deviation that makes 96 % of normally distributed presses fall into the width. */
const WIDTHS_PER_SD = 4.133;

/** The target that `step` movements lead to, as its place on a ring of `targets`. */
export function targetAt(step, targets) {
  // Across the ring and back to the next one: nearly the whole diameter each time, and every
  // target once before any comes again.
  return (Math.floor(step / 2) + (step % 2) * Math.ceil(targets / 2)) % targets;
}

/** The centre of a target; `startAngle` is in degrees, clockwise from the top. */
export function centreOf(target, { targets, amplitude, startAngle }) {
  const angle = (startAngle / 360 + target / targets) * 2 * Math.PI;
  return { x: (amplitude / 2) * Math.sin(angle), y: (-amplitude / 2) * Math.cos(angle) };
}

/** `point` on the axis that leads from one target to the next, measured from `origin`. */
export function along(axis, origin, point) {
  const [x, y] = [axis.to.x - axis.from.x, axis.to.y - axis.from.y];
  return ((point.x - origin.x) * x + (point.y - origin.y) * y) / Math.hypot(x, y);
}

/**
 * One movement: from a press near `axis.from` to a press near `axis.to`.
 *
 * `dx` is how far the press is beyond (positive) or short of the target's centre, `distance` how
 * far the hand really moved, both on the task axis.
 */
export function measure(axis, width, previous, press) {
  return {
    dx: along(axis, axis.to, press),
    distance: along(axis, previous, press),
    hit: Math.hypot(press.x - axis.to.x, press.y - axis.to.y) <= width / 2,
  };
}

/** Whether a press came before the hand was half-way: a bounce of the button, not a selection. */
export function isPremature(axis, previous, press) {
  const whole = Math.hypot(axis.to.x - axis.from.x, axis.to.y - axis.from.y);
  return along(axis, previous, press) < whole / 2;
}

/**
 * The measures of one condition, from its movements `{dx, distance, hit, time_ms}`.
 *
 * Misses count like hits. A value that cannot be computed, for example the throughput of a single
 * movement, is null.
 */
export function summarise(movements, { amplitude, width }) {
  const errors = movements.filter((movement) => !movement.hit).length;
  const time = mean(movements.map((movement) => movement.time_ms));
  const distance = mean(movements.map((movement) => movement.distance));
  const sd = standardDeviation(movements.map((movement) => movement.dx));
  const effectiveWidth = sd ? WIDTHS_PER_SD * sd : null;
  const effectiveId =
    effectiveWidth && distance > 0 ? Math.log2(distance / effectiveWidth + 1) : null;
  return {
    movements: movements.length,
    errors,
    error_rate: movements.length ? errors / movements.length : null,
    mean_time_ms: time,
    index_of_difficulty: Math.log2(amplitude / width + 1),
    effective_distance: distance,
    sd_x: sd,
    effective_width: effectiveWidth,
    effective_index_of_difficulty: effectiveId,
    throughput: effectiveId && time ? effectiveId / (time / 1000) : null,
  };
}

function mean(values) {
  return values.length ? values.reduce((sum, value) => sum + value, 0) / values.length : null;
}

function standardDeviation(values) {
  if (values.length < 2) return null;
  const centre = mean(values);
  return Math.sqrt(values.reduce((sum, value) => sum + (value - centre) ** 2, 0) / (values.length - 1));
}
