// Pieces of a study file. #{...} is what is filled in first; a number alone would be a gap's place.

export interface Snippet {
  label: string;
  /** Whether it is lines of its own, or a group inside an order. */
  where: "line" | "group";
  template: string;
}

export const SNIPPETS: readonly Snippet[] = [
  {
    label: "a block",
    where: "line",
    template: '\n[[blocks]]\nname = "#{name}"\n[blocks.config]\n#{key} = #{1:1}\n',
  },
  {
    label: "a block that extends another",
    where: "line",
    template:
      '\n[[blocks]]\nname = "#{name}"\nextends = "#{other}"\n[blocks.config]\n#{key} = #{1:1}\n',
  },
  {
    label: "a block for each level of a factor",
    where: "line",
    template:
      '\n[[blocks]]\nname = "#{practice}-{#{technique}}"\nfactors = ["#{technique}"]\n' +
      "condition = #{false}\n[blocks.config]\n#{key} = #{1:1}\n",
  },
  {
    label: "a value drawn for each participant",
    where: "line",
    template:
      '#{key} = { function_name = "choices", args = [[#{1, 2, 3}]], params = { unique = #{true} } }\n',
  },
  {
    label: "trials: every combination of levels, shuffled",
    where: "line",
    template:
      '#{trials} = { function_name = "cross", args = { factors = { #{side} = ["#{left}", "#{right}"], ' +
      "#{same} = [#{true, false}] }, repeat = #{4:4}, max_run = { #{side} = #{3:3} } } }\n",
  },
  {
    label: "trials: the rows of a table",
    where: "line",
    template:
      '#{trials} = { function_name = "rows", args = { table = "$#{words}", where = { #{list} = #{1:1} } } }\n',
  },
  {
    label: "an order tree: practice, conditions, questions for each level",
    where: "line",
    template:
      'order = [\n    "#{welcome}",\n    { each = "#{technique}", strategy = "latin_square", blocks = [\n' +
      '        "#{practice}-{#{technique}}",\n' +
      '        { strategy = "randomize", blocks = ["#{select}-{#{technique}}-{#{size}}"] },\n' +
      '        "#{questions}-{#{technique}}",\n    ] },\n    "#{thanks}",\n]\n',
  },
  {
    label: "a group with an order of its own (in an order)",
    where: "group",
    template: '{ strategy = "#{latin_square}", blocks = ["#{A}", "#{B}"] },\n',
  },
  {
    label: "a group for each level of a factor (in an order)",
    where: "group",
    template:
      '{ each = "#{technique}", strategy = "#{latin_square}", blocks = ["#{select}-{#{technique}}"] },\n',
  },
  {
    label: "a group of which each participant meets some (in an order)",
    where: "group",
    template: '{ strategy = "#{randomize}", pick = #{2:2}, label = "#{some}", blocks = ["#{A}", "#{B}"] },\n',
  },
  {
    label: "within-subjects factors, crossed",
    where: "line",
    template:
      '\n[configuration.factors]\n#{distance} = [#{1, 2}]\n#{size} = ["#{small}", "#{large}"]\n\n' +
      '[[blocks]]\nname = "#{point}-{#{distance}}-{#{size}}"\nfactors = ["#{distance}", "#{size}"]\n' +
      "[blocks.config]\n",
  },
  {
    label: "a between-subjects factor",
    where: "line",
    template: 'between = ["#{device}"]\nbetween_strategy = "block_randomize"\n',
  },
  {
    label: "orders, balanced by a Latin square",
    where: "line",
    template: 'order = ["#{A}", "#{B}"]\ngroups_strategy = "latin_square"\n',
  },
  {
    label: "orders at random",
    where: "line",
    template: 'order = ["#{A}", "#{B}"]\ngroups_strategy = "randomize"\n',
  },
  {
    label: "groups of blocks",
    where: "line",
    template:
      'order = [["#{A}", "#{B}"], ["#{C}", "#{D}"]]\n' +
      'groups_strategy = "latin_square"\nwithin_groups_strategy = "randomize"\n',
  },
  {
    label: "blocks before and after",
    where: "line",
    template: 'init_blocks = ["#{Welcome}"]\nfinal_blocks = ["#{Thanks}"]\n',
  },
  {
    label: "a variable",
    where: "line",
    template: "\n[configuration.variables]\n#{NAME} = #{1:1}\n",
  },
  {
    label: "a list from a CSV file",
    where: "line",
    template: '\n[configuration.tables]\n#{words} = "#{words.csv}"\n',
  },
];
