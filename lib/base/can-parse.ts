/**
 * Node 20's `URL.canParse`, once V8 has optimized its caller (after some thousand calls), takes text of Latin-1 for UTF-8 and
 * says no to every address with an umlaut in it that it said yes to before. `new URL` does not. So this one asks that.
 */
URL.canParse = (url: string | URL, base?: string | URL): boolean => {
  try {
    new URL(url, base)
    return true
  } catch {
    return false
  }
}
