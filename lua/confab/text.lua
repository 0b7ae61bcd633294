--- `confab.text`: what rules ask of texts, in C. Words and sentences are found in any script; words are
--- compared without case and punctuation.
local core = require "confab.core"

local text = core.text

return {
  length = text.length, words = text.words, sentences = text.sentences,
  repeated = text.repeated, diversity = text.diversity, similarity = text.similarity,
}
