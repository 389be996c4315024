// Where documents come from, and what addresses of the page look like: here of a server that is asked.
// A report has another module in its place, report/source.js, with the same names (REPORT.md).
export const RECORDED = false;
export const ROOT = '';
export const BASE = '/api/v1';
export const request = (path, options) => fetch(BASE + path, options);
export const address = () => location.pathname + location.search;
export const move = (to, replace) => history[replace ? 'replaceState' : 'pushState']({}, '', to);
