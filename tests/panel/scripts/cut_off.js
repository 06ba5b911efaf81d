// Controls that reach beyond the window's edge.
return [...document.querySelectorAll("button, input, select")]
  .filter((element) => element.checkVisibility() && !element.closest(".vlist"))
  .filter((element) => {
    const { width, left, right } = element.getBoundingClientRect();
    return width > 0 && (left < 0 || right > innerWidth + 0.5);
  })
  .map((element) => element.outerHTML.slice(0, 160));
