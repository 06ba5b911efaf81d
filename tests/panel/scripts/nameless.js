// Controls without a name for those who do not see them.
return [...document.querySelectorAll("button, input, select, textarea, [role=listbox], dialog")]
  .filter((element) => {
    const named = element.getAttribute("aria-label") || element.getAttribute("aria-labelledby") || element.labels?.length;
    return !named && !(element.tagName === "BUTTON" && element.textContent.trim());
  })
  .map((element) => element.outerHTML.slice(0, 120));
