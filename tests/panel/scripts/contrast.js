// Every text that is seen, against the nearest background behind it (WCAG 2.1, 1.4.3: 4.5 to 1, large text 3 to 1).
const OUTSIDE = ":disabled, .unseen, .skip, noscript, option";
const parse = (text) => {
  const numbers = text.match(/[\d.]+/g).map(Number);
  return numbers.length > 3 && numbers[3] === 0 ? null : numbers;
};
const linear = (part) => (part / 255 <= 0.03928 ? part / 255 / 12.92 : ((part / 255 + 0.055) / 1.055) ** 2.4);
const luminance = ([r, g, b]) => 0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b);
const behind = (element) => {
  for (let at = element; at; at = at.parentElement) {
    const colour = parse(getComputedStyle(at).backgroundColor);
    if (colour) return colour;
  }
  return [255, 255, 255];
};
const bad = [];
for (const element of document.querySelectorAll("body *")) {
  const own = [...element.childNodes].some((node) => node.nodeType === Node.TEXT_NODE && node.data.trim());
  if (!own || !element.checkVisibility({ visibilityProperty: true }) || element.closest(OUTSIDE)) continue;
  const style = getComputedStyle(element);
  const [light, dark] = [luminance(parse(style.color)), luminance(behind(element))].sort((one, other) => other - one);
  const ratio = (light + 0.05) / (dark + 0.05);
  const size = parseFloat(style.fontSize);
  const large = size >= 24 || (size >= 18.6 && Number(style.fontWeight) >= 700);
  if (ratio < (large ? 3 : 4.5)) bad.push(`${ratio.toFixed(2)} ${element.className}: ${element.textContent.slice(0, 40)}`);
}
return bad;
