// Where documents come from, and what addresses of the page look like: here of a server that is asked.
// A report has another module in its place, report/source.js, with the same names (REPORT.md).
export const RECORDED = false;
// On a team's server the screens of a repository are below its name: /team/iris/-/v/v12.
export const rootOf = (path) => /^\/.+?\/-(?=\/|$)/.exec(path)?.[0] ?? '';
export const ROOT = rootOf(location.pathname);
export const BASE = `${ROOT}/api/v1`;
export const request = (path, options) => fetch(BASE + path, options);
export const address = () => location.pathname.slice(ROOT.length) + location.search;
export const move = (to, replace) => history[replace ? 'replaceState' : 'pushState']({}, '', ROOT + to);
