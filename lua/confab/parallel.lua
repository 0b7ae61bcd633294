--- Several things at once within a step, or in the main chunk: `confab.parallel` and `confab.map`.
---
--- Each thing is a branch: a fiber that works with the context of the step, under a name of its own
--- ("2", and "2.1" in a branch of it). The journal knows calls by branch, and each branch has its own
--- random numbers and its own record of times, so a replay is exact whatever comes back first.
local context = require "confab.context"
local core = require "confab.core"
local errors = require "confab.errors"
local options = require "confab.options"
local sequence = require "confab.sequence"

local scheduler = core.scheduler

local parallel = {}

local CONCURRENCY = 32     -- branches of a map at once, unless it says otherwise
local NAME_BYTES_MAX = 63  -- of the column `branch`

--- What is no error of ours, and no message of Lua's, is the script's own affair.
local function with_traceback(raised)
  if type(raised) ~= "string" and not errors.is(raised) then return raised end
  return errors.in_script(raised, 3)
end

local function name_of(parent, i)
  local outer = parent and parent.branch
  local name = outer and ("%s.%d"):format(outer, i) or tostring(i)
  if #name > NAME_BYTES_MAX then errors.mistake "confab.parallel: the branches are nested too deep" end
  return name
end

--- The first failure by place, whatever came back first; the others in its details.
local function raise_first(failures, count)
  local first, others = nil, {}
  for i = 1, count do
    local raised = failures[i] and failures[i].raised
    if failures[i] and first == nil then
      first = raised
      if errors.is(raised) then
        raised.details = raised.details or {}
        raised.details.branch = i
      end
    elseif failures[i] then
      others[#others + 1] = raised
    end
  end
  if #others > 0 and errors.is(first) then first.details.others = others end
  error(first, 0)
end

--- Calls `call(i)` for 1 to count, so many at once; their results. After a failure nothing new is begun,
--- where not all are begun at once.
local function run_branches(what, count, concurrency, call)
  scheduler.check_wait(what)
  if count == 0 then return {} end
  local parent, seed = context.peek(), core.random.random(0)
  local names = {}
  for i = 1, count do names[i] = name_of(parent, i) end

  local results, failures, has_failed, next_branch = {}, {}, false, 1
  local alive, all = math.min(concurrency, count), scheduler.ticket()
  local begins_all = alive == count
  local function work()
    local ctx = context.enter_branch(parent)
    context.begin_step(ctx)
    while next_branch <= count and (begins_all or not has_failed) do
      local i = next_branch
      next_branch = i + 1
      ctx.branch = names[i]
      scheduler.seed(core.hash.hash64(seed, tostring(i)))
      local ok, result = xpcall(call, with_traceback, i)
      if ok then
        results[i] = result
      else
        failures[i], has_failed = { raised = result }, true
      end
    end
    context.end_step()
    context.leave_branch(ctx)
    alive = alive - 1
    if alive == 0 then scheduler.wake(all) end
  end
  for _ = 1, alive do scheduler.spawn(work) end
  scheduler.wait(all)
  if has_failed then raise_first(failures, count) end
  return results
end

--- Calls functions at the same time, and waits for all of them; what each returned, in their order. If
--- any fails, the first error by place is raised, once all have ended; its `details.branch` says which,
--- `details.others` has the other errors.
--- Example: `local a, b = confab.parallel { function() return confab.ask { prompt = "A?" } end, function() return confab.ask { prompt = "B?" } end }`
---@param functions (fun(): any)[]
---@return any ...
function parallel.parallel(functions, ...)
  if type(functions) ~= "table" or select("#", ...) > 0 then
    errors.misuse "confab.parallel takes one list of functions: confab.parallel { f, g }"
  end
  for name in next, functions do
    if math.type(name) ~= "integer" or name < 1 or name > #functions then
      errors.misuse(("confab.parallel: %s is no place in a list of functions"):format(errors.show(name)))
    end
  end
  for i, fn in ipairs(functions) do
    if not options.is_callable(fn) then
      errors.misuse(("confab.parallel: entry %d is a %s, not a function; write function() … end around a call")
        :format(i, type(fn)))
    end
  end
  local count = #functions
  local results = run_branches("confab.parallel", count, count, function(i) return (functions[i]()) end)
  return table.unpack(results, 1, count)
end

local map_specs = { concurrency = { type = "integer", min = 1, max = 10000, default = CONCURRENCY } }

--- Calls fn(value, place) for each value of a list, so many at once; a list of what they returned, in
--- the order of the list, and how many there are (a nil stays a gap). An error is raised as by
--- `confab.parallel`; after one nothing new is begun.
--- Example: `local replies = confab.map(questions, function(q) return confab.ask { prompt = q } end, { concurrency = 4 })`
---@param list any[]|confab.Sequence
---@param fn fun(value: any, place: integer): any
---@param opts? { concurrency?: integer }
---@return any[] results
---@return integer count
function parallel.map(list, fn, opts)
  opts = options.check(opts or {}, map_specs, "confab.map")
  if type(list) ~= "table" then
    errors.misuse(("confab.map takes a list and a function, not a %s first"):format(type(list)))
  end
  if not options.is_callable(fn) then
    errors.misuse(("confab.map takes a list and a function, not a %s second"):format(type(fn)))
  end
  local values = list
  if sequence.is(list) then
    values = {}
    for value in list:iter() do values[#values + 1] = value end
  elseif #list == 0 and next(list) ~= nil then
    errors.misuse "confab.map takes a list, not a table of names"
  end
  local count = #values
  return run_branches("confab.map", count, opts.concurrency, function(i) return (fn(values[i], i)) end), count
end

return parallel
