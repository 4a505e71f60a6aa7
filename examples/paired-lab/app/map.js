// Maps as SVG. One unit is a hundredth of the width; the map is 100 wide and 60 high.

const HEIGHT = 60;

/** The map with the way on it. */
export function guidesMap({ landmarks, way }) {
  const points = way.map(placed);
  const [x, y] = points.at(-1);
  return svg(landmarks, points[0], [
    make("polyline", { class: "way", points: points.join(" ") }),
    make("path", { class: "way", d: `M${x - 1.5} ${y - 1.5}l3 3m0-3l-3 3` }),
  ]);
}

/**
 * The map alone; each press adds a point to `points`, in percent of width and height, and `changed` is
 * called with it, or without one that was taken back.
 */
export function followersMap({ landmarks, way }, points, changed) {
  const line = make("polyline", { class: "way", "data-testid": "drawn" });
  const start = placed(way[0]);
  const element = svg(landmarks, start, [line]);
  element.classList.add("drawing");
  const draw = () => line.setAttribute("points", [start, ...points.map(placed)].join(" "));
  element.onpointerdown = (event) => {
    const at = new DOMPoint(event.clientX, event.clientY).matrixTransform(element.getScreenCTM().inverse());
    const point = [round(at.x), round((at.y / HEIGHT) * 100)];
    points.push(point);
    draw();
    changed(point);
  };
  const undo = () => {
    if (points.pop() === undefined) return;
    draw();
    changed();
  };
  draw();
  return { element, undo };
}

function svg(landmarks, [startX, startY], more) {
  const element = make("svg", { viewBox: `0 0 100 ${HEIGHT}`, role: "img" });
  for (const [name, ...place] of landmarks) {
    const [x, y] = placed(place);
    const label = make("text", { x, y: y + 5.5 });
    label.textContent = name;
    element.append(make("rect", { class: "landmark", x: x - 2.5, y: y - 2.5, width: 5, height: 5, rx: 1 }), label);
  }
  element.append(...more, make("circle", { class: "start", cx: startX, cy: startY, r: 1.4 }));
  return element;
}

function make(name, attributes) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  return element;
}

const placed = ([x, y]) => [x, (y / 100) * HEIGHT];
const round = (value) => Math.round(value * 10) / 10;
