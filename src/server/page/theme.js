// The theme chosen earlier, set before anything is painted; without one the system's applies.
const chosen = localStorage.getItem("confab-theme");
if (chosen === "light" || chosen === "dark") document.documentElement.dataset.theme = chosen;
