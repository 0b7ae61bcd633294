---@meta

---@class confab.core.text
local text = {}

--- The position of the first byte that is not UTF-8, or nil.
---@param s string
---@return integer?
function text.invalid_at(s) end

--- Bytes of the longest prefix that is valid UTF-8.
---@param s string
---@return integer
function text.valid_prefix(s) end

--- Latin-1 as UTF-8.
---@param bytes string
---@return string
function text.from_latin1(bytes) end

--- Characters (code points); an invalid byte counts one.
---@param s string
---@return integer
function text.length(s) end

--- Words: what white space separates; where a script has none (Chinese, Japanese, Thai), each character.
---@param s string
---@return integer
function text.words(s) end

--- Skips up to n words from a position on.
---@param s string
---@param from integer  Position of a byte.
---@param n integer
---@return integer after  The position behind the last word skipped.
---@return integer words  How many there were.
function text.skip_words(s, from, n) end

--- The sentences, in any language.
---@param s string
---@return string[]
function text.sentences(s) end

--- How much is said again.
---@param s string
---@param n? integer  Words of a run (default: 3).
---@return number share  Of the runs of n words those that came before, 0 to 1.
---@return string? phrase  The most frequent run that stands there more than once.
---@return integer? count  How often.
function text.repeated(s, n) end

--- Lexical diversity: the share of different words among `window` neighbouring ones, on average.
---@param s string
---@param window? integer  Words (default: 50).
---@return number share  0 to 1.
function text.diversity(s, window) end

--- How alike two texts are.
---@param a string
---@param b string
---@return number similarity  0 to 1.
function text.similarity(a, b) end

--- Ends of lines: LF, CR LF and CR alone.
---@param s string
---@return integer
function text.newlines(s) end

--- The expected number of tokens, uncalibrated.
---@param s string
---@return integer
function text.tokens(s) end

--- Dollars for reading: "$0.0345".
---@param pico integer
---@return string
function text.money(pico) end

--- A count for reading: "1,234,567".
---@param n integer
---@return string
function text.number(n) end

return text
