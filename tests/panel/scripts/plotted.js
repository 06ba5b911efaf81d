// Whether every plot has something on it.
return [...document.querySelectorAll("canvas.plot-canvas")].every((canvas) =>
  canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data.some(Boolean),
);
