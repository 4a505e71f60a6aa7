// The JSON Schema of a study file, walked along the keys that lead to a place.

import type { Completion } from "@codemirror/autocomplete";
import type { Json } from "../../protocol";
import type { Place } from "./place";

export interface Shape {
  type?: Json;
  description?: string;
  properties?: Record<string, Shape>;
  patternProperties?: Record<string, Shape>;
  additionalProperties?: Shape | boolean;
  enum?: Json[];
  const?: Json;
  oneOf?: Shape[];
  anyOf?: Shape[];
  // Both ways are open while somebody is still writing.
  then?: Shape;
  else?: Shape;
  items?: Shape;
  $ref?: string;
  $defs?: Record<string, Shape>;
}

export class Shapes {
  readonly #root: Shape;

  constructor(root: Shape) {
    this.#root = root;
  }

  /** The shapes that the table or list around a place may have. */
  around({ table, open }: Pick<Place, "table" | "open">): Shape[] {
    let shapes = [this.#root];
    for (const name of table) shapes = this.#rows(this.#enter(shapes, name));
    for (const { keys, list } of open) {
      for (const key of keys) shapes = this.#enter(shapes, key);
      if (list) shapes = this.#items(shapes);
    }
    return shapes;
  }

  /** The shapes that the value at a place may have. */
  at(place: Place): Shape[] {
    return (place.keys ?? []).reduce((shapes, key) => this.#enter(shapes, key), this.around(place));
  }

  /** The words that some shapes allow. */
  words(shapes: readonly Shape[]): Completion[] {
    return shapes.flatMap((shape) =>
      [...(shape.enum ?? []), ...(shape.const === undefined ? [] : [shape.const])]
        .filter((word) => typeof word === "string")
        .map((label) => ({
          label,
          type: "enum",
          ...(shape.const !== undefined && shape.description && { detail: shape.description }),
        })),
    );
  }

  #enter(shapes: readonly Shape[], name: string): Shape[] {
    return shapes.flatMap((shape) => {
      const known = shape.properties?.[name];
      const others = [
        ...Object.values(shape.patternProperties ?? {}),
        ...(typeof shape.additionalProperties === "object" ? [shape.additionalProperties] : []),
      ];
      return (known ? [known] : others).flatMap((found) => this.#alternatives(found));
    });
  }

  #items(shapes: readonly Shape[]): Shape[] {
    return shapes.flatMap((shape) => (shape.items ? this.#alternatives(shape.items) : []));
  }

  /** Of a list of tables, which a header like [[blocks]] is an entry of, that of an entry. */
  #rows(shapes: readonly Shape[]): Shape[] {
    const items = this.#items(shapes).filter((shape) => shape.properties);
    return items.length ? items : [...shapes];
  }

  #alternatives(shape: Shape): Shape[] {
    if (shape.$ref) {
      const found = this.#root.$defs?.[shape.$ref.replace("#/$defs/", "")];
      return found ? this.#alternatives(found) : [];
    }
    const inside = [shape.then, shape.else, ...(shape.anyOf ?? []), ...(shape.oneOf ?? [])];
    return [shape, ...inside.flatMap((one) => (one ? this.#alternatives(one) : []))];
  }
}
