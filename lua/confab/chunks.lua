--- Cuts documents into pieces for prompts, at the ends of paragraphs and sentences where it can.
local core = require "confab.core"
local errors = require "confab.errors"
local options = require "confab.options"
local reader = require "confab.reader"
local sequence = require "confab.sequence"

local chunks = {}

---@class confab.Chunk
---@field document_id string  The file's name and a hash of its text.
---@field chunk_id string
---@field text string
---@field index integer  From 1, within its document.
---@field title string  The first Markdown heading, else the file's name.

---@class confab.ChunkOpts
---@field by? "chars"|"words"|"lines"|"paragraphs"  What size and overlap count (default: chars).
---@field size? integer  Default: 2000 characters, 400 words, 50 lines or 5 paragraphs.
---@field overlap? integer  How much of a chunk's end the next one repeats (default: 0).
---@field encoding? "utf-8"|"latin1"

local sizes = { chars = 2000, words = 400, lines = 50, paragraphs = 5 }

local specs = {
  by = { type = "string", one_of = { "chars", "words", "lines", "paragraphs" }, default = "chars" },
  size = { type = "integer", min = 1, max = 1000000 },
  overlap = { type = "integer", min = 0, default = 0 },
  encoding = reader.encoding_spec,
}

-- A unit this long (a file without a single line break, cut by lines) is an error.
local WINDOW_BYTES_MAX = 64 * 1024 * 1024

--- For each unit: where n units from `at` on end, nil if the text has fewer.
local unit_end = {
  chars = function(text, at, n)
    return utf8.offset(text, n + 1, at)
  end,
  words = function(text, at, n)
    local stop, words = core.text.skip_words(text, at, n)
    -- At the end of what was read, the last word may go on.
    return words == n and stop <= #text and stop or nil
  end,
  lines = function(text, at, n)
    for _ = 1, n do
      local stop = text:find("\n", at, true)
      if not stop then return nil end
      at = stop + 1
    end
    return at
  end,
  paragraphs = function(text, at, n)
    at = text:find("%S", at)
    for _ = 1, n do
      local _, stop = text:find("\n[ \t]*\n%s*", at or #text + 1)
      if not stop then return nil end
      at = stop + 1
    end
    return at
  end,
}

local LF = 10

-- Ends of sentences in scripts that put no space behind them, and what may still follow.
local full_stops = { "。", "！", "？", "．" }
local closers = { ["」"] = true, ["』"] = true, ["）"] = true, ["”"] = true, ["’"] = true }
local pauses = { "、", "，", "　", "；" }

local function last_of(text, marks)
  local best
  for _, mark in ipairs(marks) do
    local stop = text:match("^.*" .. mark .. "()")
    if stop and (not best or stop > best) then best = stop end
  end
  return best
end

local function last_sentence(text)
  local western = text:match("^.*[%.!?][\"'%)%]]*%s()")
  local eastern = last_of(text, full_stops)
  while eastern and closers[text:sub(eastern, eastern + 2)] do eastern = eastern + 3 end
  return math.max(western or 0, eastern or 0)
end

--- The best place to end a chunk within text: behind a paragraph, a sentence, a line, a word. Nil
--- if there is none; what is measured in words ends behind a word anyway.
local function last_break(text, by)
  local paragraph = text:match("^.*\n[ \t]*\n()")
  if paragraph then return paragraph end
  local sentence = last_sentence(text)
  if sentence > 0 then return sentence end
  if by == "words" then return nil end
  return text:match("^.*\n()") or text:match("^.*%s()") or last_of(text, pauses)
end

--- A chunk's text without the blank lines around it; nil if nothing is left.
local function trim(text)
  text = text:match("^(.*%S)")
  return text and text:gsub("^%s*\n", "")
end

--- Returns a function that gives the texts of a document's chunks.
local function cut(input, opts)
  local measure, size, overlap = unit_end[opts.by], opts.size, opts.overlap
  local prefers_breaks = opts.by == "chars" or opts.by == "words"
  local text, at, is_whole = "", 1, false

  local function more()
    local block = input:read_lf()
    text = text:sub(at) .. (block or "")
    at = 1
    is_whole = block == nil
    if #text > WINDOW_BYTES_MAX then
      input:fail(nil, ("%d %s are more than %d MB here; cut by chars or words")
        :format(size, opts.by, WINDOW_BYTES_MAX // 1024 // 1024))
    end
  end

  -- Where the chunk at `at` ends, and whether it is the last.
  local function stop_of_chunk()
    local stop = measure(text, at, size)
    while not is_whole and not (stop and text:find("%S", stop)) do
      more()
      stop = measure(text, at, size)
    end
    if not stop or not text:find("%S", stop) then return #text + 1, true end
    if prefers_breaks then
      -- Not before the middle, and behind what the overlap will take back.
      local floor = measure(text, at, math.max(size // 2, overlap + 1)) or stop
      local breaks_at = floor < stop and last_break(text:sub(floor, stop - 1), opts.by)
      if breaks_at then stop = floor + breaks_at - 1 end
    end
    return stop, false
  end

  -- Where the next chunk begins: `overlap` units before stop, but at the beginning of a word.
  local function start_of_next(stop)
    if overlap == 0 then return stop end
    local low, high = 0, size    -- the most units that still end before stop
    while low < high do
      local middle = (low + high + 1) // 2
      local reached = measure(text, at, middle)
      if reached and reached <= stop then low = middle else high = middle - 1 end
    end
    local start = low > overlap and measure(text, at, low - overlap) or stop
    if opts.by == "chars" and text:find("^%S", start - 1) then
      local space = text:find("%s", start)
      if space and space < stop then start = space + 1 end
    end
    return start > at and start or stop
  end

  return function()
    while at <= #text or not is_whole do
      local stop, is_last = stop_of_chunk()
      local piece = trim(text:sub(at, stop - 1))
      at = is_last and #text + 1 or start_of_next(stop)
      -- Spaces are an indent only at the beginning of a line.
      if text:byte(at - 1) ~= LF then at = text:match("^[ \t]*()", at) end
      if piece then return piece end
    end
    return nil
  end
end

--- Reads a document once from end to end, so that a bad byte is found before the first chunk.
local function identify(path, encoding)
  if core.fs.kind(path) == "other" then
    reader.fail(path, nil, "this is no regular file, and documents are read twice")
  end
  local input = reader.open(path, encoding)
  local name = path:match("[^/]+$")
  local stem = name:match("^(.+)%.[^.]*$") or name
  local hash, title = "", nil
  for block in function() return input:read_lf() end do
    if hash == "" then title = ("\n" .. block):match("\n#+[ \t]+([^\n]*%S)") end
    hash = core.hash.sha256hex(hash .. block)
  end
  return ("%s-%s"):format(stem, hash:sub(1, 8)), title or stem
end

local function paths_of(pattern)
  if core.fs.kind(pattern) or not pattern:find("[*?%[]") then return { pattern } end
  local paths, why = core.fs.glob(pattern)
  if not paths then reader.fail(pattern, nil, why) end
  local files = {}
  for _, path in ipairs(paths) do
    if core.fs.kind(path) ~= "directory" then files[#files + 1] = path end
  end
  if #files == 0 then reader.fail(pattern, nil, "no file matches this pattern") end
  table.sort(files)
  return files
end

local function open_document(path, opts)
  local document_id, title = identify(path, opts.encoding)
  local input, index = reader.open(path, opts.encoding), 0
  local next_text = cut(input, opts)
  return function()
    local text = next_text()
    if not text then return nil end
    index = index + 1
    return {
      document_id = document_id, chunk_id = ("%s#%d"):format(document_id, index),
      text = text, index = index, title = title,
    }
  end, function() input:close() end
end

--- The chunks of a text file, or of all files that a pattern matches, in order of their names. A
--- chunk ends behind a paragraph, else a sentence, a line, a word, if there is one in its second
--- half. Ends of lines become LF. Files are read in blocks, and again at each walk.
--- Example: `confab.chunks("docs/*.md", { size = 1500, overlap = 200 })`
---@param pattern string
---@param opts? confab.ChunkOpts
---@return confab.Sequence
function chunks.new(pattern, opts)
  if type(pattern) ~= "string" then
    errors.misuse("confab.chunks: a path was expected, not a " .. type(pattern))
  end
  opts = options.check(opts, specs, "confab.chunks")
  opts.size = opts.size or sizes[opts.by]
  if opts.overlap >= opts.size then
    errors.misuse(("confab.chunks: overlap (%d) must be less than size (%d)")
      :format(opts.overlap, opts.size))
  end

  return sequence.new {
    open = function()
      local paths, next_path = nil, 1
      local next_chunk, close
      return function()
        paths = paths or paths_of(pattern)
        while true do
          local chunk = next_chunk and next_chunk()
          if chunk then return chunk end
          if close then close() end
          next_chunk, close = nil, nil
          local path = paths[next_path]
          if not path then return nil end
          next_path = next_path + 1
          next_chunk, close = open_document(path, opts)
        end
      end, function() if close then close() end end
    end,
  }
end

return chunks
