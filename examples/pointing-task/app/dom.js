// Elements, made in one expression. Text is always set as text, so nothing from a study file can
// become markup.

const SVG = "http://www.w3.org/2000/svg";

/**
 * A new HTML element. Of the properties, functions named `on...` become listeners, `testid`
 * becomes data-testid, true an empty attribute, and null, undefined and false none.
 */
export function h(tag, properties = {}, ...children) {
  return fill(document.createElement(tag), properties, children);
}

/** A new SVG element; as `h`. */
export function svg(tag, properties = {}, ...children) {
  return fill(document.createElementNS(SVG, tag), properties, children);
}

function fill(element, properties, children) {
  for (const [name, value] of Object.entries(properties)) {
    if (value === null || value === undefined || value === false) continue;
    if (typeof value === "function") element.addEventListener(name.slice(2), value);
    else element.setAttribute(name === "testid" ? "data-testid" : name, value === true ? "" : value);
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return element;
}
