// Light and dark: the system's preference until somebody chooses.

const shown = () => getComputedStyle(document.documentElement).colorScheme.trim();

export function toggleTheme() {
  const next = shown() === "light" ? "dark" : "light";
  document.documentElement.dataset.theme = next;
  try {
    localStorage.setItem("theme", next);
  } catch {
    // Storage may be forbidden; the choice then lasts as long as the page.
  }
}
