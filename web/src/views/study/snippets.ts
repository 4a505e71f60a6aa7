// Pieces of a study file. #{...} is what is filled in first.

export interface Snippet {
  label: string;
  template: string;
}

export const SNIPPETS: readonly Snippet[] = [
  { label: "a block", template: '\n[[blocks]]\nname = "#{name}"\n[blocks.config]\n#{key} = #{1}\n' },
  {
    label: "a block that extends another",
    template: '\n[[blocks]]\nname = "#{name}"\nextends = "#{other}"\n[blocks.config]\n#{key} = #{1}\n',
  },
  {
    label: "a value drawn for each participant",
    template:
      '#{key} = { function_name = "choices", args = [[#{1, 2, 3}]], params = { unique = #{true} } }\n',
  },
  {
    label: "within-subjects factors, crossed",
    template:
      '\n[configuration.factors]\n#{distance} = [#{1, 2}]\n#{size} = ["#{small}", "#{large}"]\n\n' +
      '[[blocks]]\nname = "#{Pointing}"\nfactors = ["#{distance}", "#{size}"]\n[blocks.config]\n',
  },
  {
    label: "orders, balanced by a Latin square",
    template: 'order = ["#{A}", "#{B}"]\ngroups_strategy = "latin_square"\n',
  },
  { label: "orders at random", template: 'order = ["#{A}", "#{B}"]\ngroups_strategy = "randomize"\n' },
  {
    label: "groups of blocks",
    template:
      'order = [["#{A}", "#{B}"], ["#{C}", "#{D}"]]\n' +
      'groups_strategy = "latin_square"\nwithin_groups_strategy = "randomize"\n',
  },
  {
    label: "blocks before and after",
    template: 'init_blocks = ["#{Welcome}"]\nfinal_blocks = ["#{Thanks}"]\n',
  },
  { label: "a variable", template: '\n[configuration.variables]\n#{NAME} = #{1}\n' },
];
