// Styles that only some views need, fetched with the first of them.

const loaded = new Map();

/** Resolves once the styles of that asset apply. */
export function loadStyles(name) {
  if (!loaded.has(name)) {
    loaded.set(name, new Promise((resolve) => {
      const link = document.createElement("link");
      link.rel = "stylesheet";
      link.href = `/page/${name}`;
      link.onload = resolve;
      link.onerror = resolve;    // a view without its looks is better than none
      document.head.append(link);
    }));
  }
  return loaded.get(name);
}
