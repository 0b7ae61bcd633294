// What differs between two texts.

const isSpace = (text, at) => /\s/.test(text[at] ?? " ");

/** Two texts as [what both begin with, old, new, what both end with], cut between words. */
export function difference(before, after) {
  const shorter = Math.min(before.length, after.length);
  let start = 0, end = 0;
  while (start < shorter && before[start] === after[start]) start++;
  while (start > 0 && !(isSpace(before, start - 1) && isSpace(after, start - 1))) start--;
  while (end < shorter - start && before[before.length - 1 - end] === after[after.length - 1 - end]) end++;
  while (end > 0 && !(isSpace(before, before.length - end) && isSpace(after, after.length - end))) end--;
  return [before.slice(0, start), before.slice(start, before.length - end), after.slice(start, after.length - end),
    before.slice(before.length - end)];
}

const CELLS_MAX = 4e6;    // of the table below: texts of 2,000 words each; it takes some 20 ms

/** Which of two lists' elements stand in a longest common part of both: [booleans, booleans]. Null where
 * the lists are too long for that. */
export function common(a, b) {
  let start = 0, end = 0;
  while (start < a.length && start < b.length && a[start] === b[start]) start++;
  while (end < Math.min(a.length, b.length) - start && a.at(-1 - end) === b.at(-1 - end)) end++;
  const rows = a.length - start - end, columns = b.length - start - end, width = columns + 1;
  if ((rows + 1) * width > CELLS_MAX) return null;
  const longest = new Uint16Array((rows + 1) * width);    // of what lies behind each pair of places
  for (let i = rows - 1; i >= 0; i--) {
    for (let k = columns - 1; k >= 0; k--) {
      longest[i * width + k] = a[start + i] === b[start + k] ? longest[(i + 1) * width + k + 1] + 1
        : Math.max(longest[(i + 1) * width + k], longest[i * width + k + 1]);
    }
  }
  const isCommon = [a, b].map((list) => list.map((_, i) => i < start || i >= list.length - end));
  for (let i = 0, k = 0; i < rows && k < columns;) {
    if (a[start + i] === b[start + k]) isCommon[0][start + i++] = isCommon[1][start + k++] = true;
    else if (longest[(i + 1) * width + k] >= longest[i * width + k + 1]) i++;
    else k++;
  }
  return isCommon;
}
