---@meta confab

--- confab: datasets of conversations, from a script.
local confab = {}

-- Settings

---@class confab.Limits
---@field max_requests? integer  Requests in any window (default: 50).
---@field max_input_tokens? integer  Input tokens a window; 0: no limit (default).
---@field max_output_tokens? integer  Output tokens a window; 0: no limit (default).
---@field window_ms? integer  Default: 60000.
---@field concurrency? integer  Most calls in flight; 0: no cap (default).
---@field enable_queue? boolean  false: a call that cannot go at once fails (default: true).
---@field pause_threshold? number  From this share of the window on calls queue (default: 0.9).
---@field pacing? "auto"|"smooth"|"burst"

---@class confab.Retry
---@field max_attempts? integer  The first one included (default: 3).
---@field base_delay_ms? integer  Before the first retry; doubles from there (default: 1000).
---@field max_delay_ms? integer  Default: 300000.
---@field jitter_ms? integer  0 to this is added at random (default: 1000).

---@class confab.RetryOptions: confab.Retry
---@field seed? integer  For the jitter (default: math.random's generator).

---@class confab.Timeouts
---@field connect_ms? integer  Default: 10000.
---@field first_byte_ms? integer  Default: 600000.
---@field idle_ms? integer  Default: 60000.
---@field total_ms? integer  Default: 900000.

---@class confab.Key
---@field name string  For messages.
---@field value? string  The key itself; or
---@field env? string  the name of the environment variable that holds it.
---@field limits? confab.Limits  Its own limits.

---@class confab.Setup
---@field provider? "anthropic"
---@field base_url? string
---@field model? string  For templates and calls that name none.
---@field keys? confab.Key[]
---@field limits? confab.Limits
---@field retry? confab.Retry
---@field timeouts? confab.Timeouts
---@field http2? boolean
---@field db? string  Database file (default: confab.db).
---@field models? table<string, table>  Models to add to the table, or to change in it.
---@field on_retry? fun(attempt: integer, error: confab.Error, delay_ms: integer)
---@field budget? number  The most that all runs of the script may cost together, in dollars.
---@field alert_at? number[]  Shares of the budget to be told of, for runs that name none.
---@field on_alert? fun(share: number, spent: number, budget: number)  In dollars.
---@field max_outage? number|string  How long the service may be away: seconds, or "6h" (the default).
---@field step_limits? confab.StepLimits|false  For runs that give none.

--- Settings for this script; to be called before the first run or call. Flags overrule them.
---@param opts confab.Setup
function confab.setup(opts) end

-- Inputs

--- A lazy sequence that can be walked again and again.
---@class confab.Sequence
---@operator len: integer
---@overload fun(): (fun(): any)
local Sequence = {}

--- Starts a walk: `for item in seq:iter() do ... end`.
---@return fun(): any
function Sequence:iter() end

--- The number of items, by walking through all of them.
---@return integer
function Sequence:count() end

--- All items in a list.
---@return any[]
function Sequence:collect() end

--- What fn makes of each item. fn must return a value: `filter` leaves items out.
---@param fn fun(item: any): any
---@return confab.Sequence
function Sequence:map(fn) end

--- The items for which fn returns true (anything but nil and false).
---@param fn fun(item: any): any
---@return confab.Sequence
function Sequence:filter(fn) end

--- The same as filter.
---@param fn fun(params: table): any
---@return confab.Sequence
function Sequence:where(fn) end

--- The first n items. No more than that is read.
---@param n integer
---@return confab.Sequence
function Sequence:take(n) end

--- The whole sequence n times over.
---@param n integer
---@return confab.Sequence
function Sequence:times(n) end

--- Walks other sequences alongside: item i gets, under each name, that sequence's value i.
---@param others table<string, confab.Sequence|any[]>
---@return confab.Sequence
function Sequence:zip(others) end

--- All items in the order of a hash of their parameters and the seed.
---@param opts? { seed?: integer }  seed: default 0.
---@return confab.Sequence
function Sequence:shuffle(opts) end

--- n items by the hash of their parameters and the seed, in the order of the input. With `by`, a name or
--- a function, its values get equal shares.
---@param n integer
---@param opts? { seed?: integer, by?: string|fun(item: any): any }  seed: default 0.
---@return confab.Sequence
function Sequence:sample(n, opts) end

---@class confab.CsvOpts
---@field separator? string  One character (default: a comma).
---@field header? boolean|string[]  false: records are lists; a list: names for a file without any.
---@field encoding? "utf-8"|"latin1"

---@class confab.ChunkOpts
---@field by? "chars"|"words"|"lines"|"paragraphs"  What size and overlap count (default: chars).
---@field size? integer  Default: 2000 characters, 400 words, 50 lines or 5 paragraphs.
---@field overlap? integer  How much of a chunk's end the next one repeats (default: 0).
---@field encoding? "utf-8"|"latin1"

---@class confab.Chunk
---@field document_id string  The file's name and a hash of its text.
---@field chunk_id string
---@field text string
---@field index integer  From 1, within its document.
---@field title string  The first Markdown heading, else the file's name.

--- The lines of a text file, without their ends. Blank lines are left out unless asked for.
---@param path string
---@param opts? { encoding?: "utf-8"|"latin1", keep_blank?: boolean }
---@return confab.Sequence
function confab.lines(path, opts) end

--- The records of a CSV file as tables of strings by column name.
---@param path string
---@param opts? confab.CsvOpts
---@return confab.Sequence
function confab.csv(path, opts) end

--- The values of a file of JSON lines; blank lines are left out.
---@param path string
---@return confab.Sequence
function confab.jsonl(path) end

--- A sequence of the entries of a list. They are not copied.
---@param items any[]
---@return confab.Sequence
function confab.list(items) end

--- The chunks of a text file, or of all files that a pattern matches: confab.Chunk each.
---@param pattern string
---@param opts? confab.ChunkOpts
---@return confab.Sequence
function confab.chunks(pattern, opts) end

--- All combinations of the axes' values, one table of parameters each. An axis is a list, a sequence or
--- a single value.
---@param spec table<string|integer, any>
---@return confab.Sequence
function confab.sweep(spec) end

-- Templates

---@alias confab.Params any  A table, or what can be indexed like one.
---@alias confab.Column "persona"|"emotion"|"topic"|"tier"|"document_id"|"chunk_id"
---@alias confab.Thinking "disabled"|"between_tools"|"adaptive"|"enabled"
---@alias confab.Effort "low"|"medium"|"high"|"xhigh"|"max"
---@alias confab.Cache boolean|"5m"|"1h"

--- Gets the body of the section as it is written (nil for a variable) and a function that renders a
--- text, or the body, with the values there. What it returns is read as template text unless it has
--- called `render`; of a section true shows the body, false and nil leave it out.
---@alias confab.Lambda fun(text?: string, render: confab.RenderText): confab.LambdaText
---@alias confab.RenderText fun(text?: string): string
---@alias confab.LambdaText string|number|boolean|nil

--- A function gets the item's parameters; what it returns for a text is used as it is.
---@class confab.TemplateOptions
---@field name string  Stands in messages and in the database.
---@field system? string|fun(params: confab.Params): string?
---@field prompt string|fun(params: confab.Params): string
---@field tier? string|fun(params: confab.Params): string?  "template", "scenario", "edge_case", ...
---@field columns? table<confab.Column, string|fun(params: confab.Params): string|number|nil>
---@field model? string|fun(params: confab.Params): string?
---@field max_tokens? integer|fun(params: confab.Params): integer?  Room for the reply's text.
---@field temperature? number|fun(params: confab.Params): number?  0 to 1.
---@field top_p? number|fun(params: confab.Params): number?  0 to 1.
---@field top_k? integer|fun(params: confab.Params): integer?
---@field stop? string|string[]|fun(params: confab.Params): string|string[]|nil
---@field schema? table|string|fun(params: confab.Params): table|string|nil  JSON Schema.
---@field thinking? confab.Thinking|fun(params: confab.Params): confab.Thinking?
---@field thinking_budget? integer|fun(params: confab.Params): integer?  For "enabled"; tokens.
---@field effort? confab.Effort|fun(params: confab.Params): confab.Effort?
---@field cache? confab.Cache|fun(params: confab.Params): confab.Cache?  Of the system prompt.
---@field strict? boolean  What the parameters lack is an error (default: true).
---@field escape? "html"  {{x}} escapes HTML (default: nothing is escaped).
---@field partials? table<string, string>  Texts for {{> name}} and {{< name}}.
---@field lambdas? table<string, confab.Lambda>  Functions for {{name}} and {{#name}}.
---@field scoring? confab.Scoring|confab.Rule
---@field on_truncated? "salvage"|"continue"|"fail"
---@field tries? integer

---@class confab.ResolvedTemplate  Plain data for one call; fields that are not given are absent.
---@field prompt string
---@field system? string
---@field columns table<confab.Column, string>
---@field model? string
---@field max_tokens? integer
---@field stop? string[]

---@class confab.Template: confab.TemplateOptions
local Template = {}

--- The texts filled in. A variable without a value is a config_error naming it.
---@param params table?
---@return { system?: string, prompt: string }
function Template:render(params) end

--- Names that the texts use, each once, in order; those of the system prompt first. Names of
--- lambdas are not among them.
---@return string[]
function Template:variables() end

--- What asking for one item would take.
---@param params table?
---@return confab.Estimate
function Template:estimate(params) end

--- All that a call needs.
---@param params table?
---@return confab.ResolvedTemplate
function Template:resolve(params) end

--- A template: texts in Mustache and the settings of the call.
---@param opts confab.TemplateOptions
---@return confab.Template
function confab.template(opts) end

--- The template in a file; what stands in `opts` wins over it.
---@param path string
---@param opts? table  Whatever confab.template takes but the prompt.
---@return confab.Template
function confab.template_file(path, opts) end

-- Asking a model

---@class confab.AskOptions
---@field prompt? string  The one message; or
---@field messages? { role: string, content: string }[]
---@field system? string
---@field model? string
---@field max_tokens? integer  Default: 4096.
---@field temperature? number
---@field top_p? number
---@field top_k? integer
---@field stop? string|string[]
---@field json? boolean  A reply that is not JSON is asked for again, up to `tries`.
---@field schema? table|string  A JSON Schema; a reply that does not fit is sent back with what is wrong, up to `tries`.
---@field tries? integer  Default: 1.
---@field thinking? confab.Thinking
---@field thinking_budget? integer
---@field effort? confab.Effort
---@field cache? confab.Cache
---@field on_text? fun(text: string, begun: integer)  Sees the text while it comes, piece by piece; cannot wait. Where `begun` (1 at first) goes up, the text begins again. A stored reply is shown at once, in one piece.

---@class confab.Usage
---@field input? integer
---@field output? integer
---@field cache_read? integer
---@field cache_write? integer
---@field thinking? integer

---@class confab.Reply
---@field text string  All text of the reply.
---@field json any  The JSON of the reply as a Lua value, from a fence or among words too; nil if there is none.
---@field usage confab.Usage
---@field cost? number  Dollars, of all tries; nil if the price is not known.
---@field stop_reason? string
---@field model string  The model that answered.
---@field latency_ms? integer
---@field attempts integer  Requests sent for it, of all tries.
---@field id? string  The provider's.
---@field replayed boolean  It came from the database.

--- A reply of a model to a prompt.
---@param opts confab.AskOptions
---@return confab.Reply
function confab.ask(opts) end

---@class confab.GenerateOptions
---@field template confab.Template
---@field params? table
---@field persona? string|number
---@field emotion? string|number
---@field topic? string|number
---@field tier? string|number
---@field document_id? string|number
---@field chunk_id? string|number
---@field model? string
---@field temperature? number
---@field max_tokens? integer
---@field tries? integer
---@field on_truncated? "salvage"|"continue"|"fail"
---@field schema? table|string  A JSON Schema with a list of turns in it, which the reply must fit.
---@field on_text? fun(text: string, begun: integer)  Sees the reply while it comes.

--- A conversation from a template, scored. Raises parse_error, validation_error, refusal, api_error, ...
---@param opts confab.GenerateOptions
---@return confab.Conversation
function confab.generate(opts) end

---@class confab.DialogueSide
---@field system? string
---@field template? confab.Template  Its texts are the system prompt.
---@field model? string
---@field temperature? number
---@field top_p? number
---@field top_k? integer
---@field max_tokens? integer
---@field thinking? confab.Thinking
---@field thinking_budget? integer
---@field effort? confab.Effort
---@field cache? boolean|"5m"|"1h"

---@class confab.DialogueOptions
---@field user string|confab.DialogueSide  A system prompt, or a table.
---@field assistant string|confab.DialogueSide
---@field turns? integer  Of both sides together, an even number (default: 8).
---@field stop? string|fun(turns: confab.Turn[]): boolean?  A mark with which either side ends the talk, or a function asked after each answer.
---@field first? string  The user's first turn, instead of asking for it.
---@field from? confab.Conversation  Go on with this one, or
---@field at? integer  with its first so many turns.
---@field check? fun(role: "user"|"assistant", text: string, turns: confab.Turn[]): string?  Why a turn will not do.
---@field tries? integer  How often a turn is asked for (default: 3).
---@field params? table  Of the templates (default: the item).
---@field persona? string|number
---@field emotion? string|number
---@field topic? string|number
---@field tier? string|number
---@field document_id? string|number
---@field chunk_id? string|number

--- A conversation of two model roles, each hearing the other as its user; the user begins. A turn that will not do
--- is asked for again, then taken, and the tag `problem` says why.
---@param opts confab.DialogueOptions
---@return confab.Conversation
function confab.dialogue(opts) end

-- Workflows

--- Calls functions at the same time, and waits for all of them; what each returned, in their order. If
--- any fails, the first error by place is raised, once all have ended.
---@param functions (fun(): any)[]
---@return any ...
function confab.parallel(functions) end

--- Calls fn(value, place) for each value of a list, so many at once (default: 32); what they returned, in the
--- order of the list, and how many there are.
---@param list any[]|confab.Sequence
---@param fn fun(value: any, place: integer): any
---@param opts? { concurrency?: integer }
---@return any[] results
---@return integer count
function confab.map(list, fn, opts) end

--- The time in seconds since 1970, with milliseconds; in a step it is recorded with the item.
---@return number
function confab.now() end

---@class confab.JudgeOptions
---@field model? string
---@field scale? integer  The highest score; the lowest is 1 (default: 10).
---@field samples? integer  How often the model is asked (default: 1).
---@field temperature? number
---@field max_tokens? integer  Default: 1024.
---@field effort? confab.Effort
---@field tries? integer  How often a verdict that does not fit its form is asked for (default: 3).

---@class confab.Verdict
---@field score number  The mean of the samples' scores, from 1 to the scale.
---@field reasons string[]  Of each sample.
---@field scores integer[]
---@field agreement number  0 to 1: 1 where all samples gave the same score.
---@field cost? number  Dollars, of all samples; nil if not known.
---@field model string  That answered.

--- A model's verdict on a conversation. Asked for several samples, it is asked that often, and the score is their mean.
---@param conv confab.Conversation|{ turns: confab.Turn[] }
---@param rubric string
---@param opts? confab.JudgeOptions
---@return confab.Verdict
function confab.judge(conv, rubric, opts) end

-- Conversations

---@alias confab.Status "generated"|"needs_revision"|"approved"|"rejected"

---@class confab.Turn
---@field role "system"|"user"|"assistant"
---@field content string

---@class confab.Conversation
---@operator len: integer
---@field id? string  UUID; once it is stored.
---@field turns confab.Turn[]
---@field score? number
---@field breakdown? confab.ScorePart[]
---@field status? confab.Status
---@field cost? number  Dollars; nil if not known.
---@field usage? confab.Usage
---@field model? string
---@field template? string
---@field parameters? any
---@field json? any  The value of the reply, where a schema was given, in the script that asked for it.
---@field tags? table<string, string|number|boolean>
---@field truncated boolean
---@field repairs string[]  What had to be mended in the reply.
---@field persona? string
---@field emotion? string
---@field topic? string
---@field tier? string
---@field document_id? string
---@field chunk_id? string
---@field run? string  Of stored ones, as all that follows.
---@field run_id? string
---@field key? string
---@field part? integer
---@field version? integer
---@field simulated? boolean
---@field review_note? string
---@field created_at? string
local Conversation = {}

--- All turns as `role: content`, blank lines between.
---@return string
function Conversation:text() end

--- Tags it: a bare tag, or one with a text or a number. false takes the tag away.
---@param name string
---@param value? string|number|boolean
---@return confab.Conversation self
function Conversation:tag(name, value) end

--- Marks it as fit for training; rescoring does not change that.
---@param note? string
---@return confab.Conversation self
function Conversation:approve(note) end

--- Marks it as unfit for training.
---@param note? string
---@return confab.Conversation self
function Conversation:reject(note) end

--- A conversation from turns at hand.
---@param opts { turns: confab.Turn[] }
---@return confab.Conversation
function confab.conversation(opts) end

--- The conversation of a model's reply, or nil and why there is none.
---@param text string
---@return confab.Conversation?
---@return confab.Error? why
function confab.parse(text) end

-- Scoring

---@class confab.Rule
---@field name string
---@field points number  The most it gives.
---@field check fun(conv: confab.Conversation): number|boolean, string?  Points, and a note.
---@operator add(confab.Rule|confab.Scoring): confab.Scoring

---@class confab.Scoring
---@field rules confab.Rule[]
---@operator add(confab.Rule|confab.Scoring): confab.Scoring

---@class confab.ScorePart  One rule's share of a score.
---@field name string
---@field points number
---@field max number
---@field note? string
---@field error? string  Why the rule gave no points: it raised an error, returned no number or ran away.

--- A rule: `check` gets a conversation and returns points from 0 to `points`, true for all or false for
--- none; and, if it likes, a note for the breakdown.
---@param opts { name: string, points: number, check: fun(conv: confab.Conversation): number|boolean, string? }
---@return confab.Rule
function confab.rule(opts) end

--- Scores a conversation, and how it came about.
---@param conv confab.Conversation|{ turns: confab.Turn[] }
---@param by? confab.Scoring|confab.Rule  Default: confab.scoring.default.
---@return number score  1 to 10.
---@return confab.ScorePart[] breakdown  Plain data, ready for JSON.
function confab.score(conv, by) end

--- Called with a list of rules and scorings, gives one of them all.
---@class confab.ScoringModule
---@field default confab.Scoring  Turn count, turn length, structure.
---@overload fun(list: (confab.Rule|confab.Scoring)[]): confab.Scoring
confab.scoring = {}

--- One scoring of several rules and scorings: what a call of confab.scoring gives.
---@param list (confab.Rule|confab.Scoring)[]
---@return confab.Scoring
function confab.scoring.new(list) end

--- A scoring that goes by a conversation's tier.
---@param tiers table<string, confab.Scoring|confab.Rule>  By tier; `default` for the others (else the default rules).
---@return confab.Scoring
function confab.scoring.by_tier(tiers) end

--- What rules have been slow or raised errors since this was asked last, by name.
---@return confab.RuleTrouble[]
function confab.scoring.take_troubles() end

--- Tells people of them, a line each.
---@param list confab.RuleTrouble[]
function confab.scoring.tell_troubles(list) end

confab.scoring.rule = confab.rule
confab.scoring.score = confab.score

---@class confab.RuleTrouble
---@field name string
---@field errors integer  Conversations for which it raised an error, returned no points, or ran away.
---@field first? string  The first of these errors.
---@field ended integer  How often it was ended by a limit.
---@field beyond integer  Conversations for which it gave more points than it has, or less than none.
---@field slow integer  Conversations for which it took 20 ms or more.
---@field worst_ms integer

--- What rules ask of texts. Words and sentences are found in any script; words are compared without case and
--- punctuation.
---@class confab.Text
confab.text = {}

--- Characters (code points).
---@param s string
---@return integer
function confab.text.length(s) end

--- Words: what white space separates; where a script has none (Chinese, Japanese, Thai), each character.
---@param s string
---@return integer
function confab.text.words(s) end

--- The sentences, in any language, without the white space between.
---@param s string
---@return string[]
function confab.text.sentences(s) end

--- How much is said again.
---@param s string
---@param n? integer  Words of a run (default: 3).
---@return number share  Of the runs of n words those that came before, 0 to 1.
---@return string? phrase  The most frequent run that stands there more than once.
---@return integer? count  How often.
function confab.text.repeated(s, n) end

--- Lexical diversity: the share of different words among `window` neighbouring ones, on average.
---@param s string
---@param window? integer  Words (default: 50).
---@return number share  0 to 1.
function confab.text.diversity(s, window) end

--- How alike two texts are: of all runs of three characters, those that both have.
---@param a string
---@param b string
---@return number similarity  0 to 1.
function confab.text.similarity(a, b) end

---@class confab.Regex
local Regex = {}

--- Where it matches, and the captures; nothing if it does not.
---@param text string
---@param init? integer  The byte at which to begin (default: 1).
---@return integer? first
---@return integer? last
---@return string? ...
function Regex:find(text, init) end

--- The captures; the whole where there are none.
---@param text string
---@param init? integer
---@return string? ...
function Regex:match(text, init) end

--- Iterates over what match gives.
---@param text string
---@return fun(): string?, ...
function Regex:gmatch(text) end

--- How often it matches.
---@param text string
---@return integer
function Regex:count(text) end

--- A Perl-compatible regular expression (PCRE2), for what string patterns cannot say. Texts are UTF-8. A match that
--- takes too many steps is an error.
---@param pattern string
---@param flags? string  i: case does not count; m: ^ and $ at each line; s: a dot takes line ends; x: white space in the pattern does not count.
---@return confab.Regex
function confab.regex(pattern, flags) end

-- Runs

---@class confab.StepLimits
---@field seconds? number  Of computing, between two waits (default: 60).
---@field memory_mb? number  By which memory may grow, between two waits (default: 1024).

---@class confab.RunOptions
---@field items confab.Sequence|any[]
---@field template? confab.Template  What to ask for each item; or
---@field step? fun(item: any): confab.Conversation|confab.Conversation[]|nil  a function that does the work.
---@field name? string  Default: the script's file name.
---@field key? fun(item: any): string|integer  What identifies an item (default: its parameters).
---@field concurrency? integer|"auto"  Items in work at once.
---@field stop_on_error? boolean  The first failed item ends the run (default: false).
---@field score? confab.Scoring|confab.Rule
---@field accept? integer  The run ends when so many items are accepted (default: with the last item).
---@field tries? integer  How often a reply that does not serve is asked for (default: 1).
---@field on_truncated? "salvage"|"continue"|"fail"
---@field on_item? fun(result: confab.ItemResult)
---@field on_retry? fun(attempt: integer, error: confab.Error, delay_ms: integer)
---@field budget? number  The most that it may cost in its whole life, in dollars.
---@field alert_at? number[]  Shares of the budget to be told of, such as { 0.5, 0.9 }.
---@field on_alert? fun(share: number, spent: number, budget: number)  In dollars.
---@field max_outage? number|string  How long the service may be away: seconds, or "6h" (the default).
---@field seed? integer  Of math.random in steps (default: 0).
---@field step_limits? confab.StepLimits|false  What a step may take between two waits, under `confab`.

---@class confab.ItemResult
---@field item any
---@field key string
---@field state "done"|"failed"|"skipped"
---@field conversations confab.Conversation[]
---@field error? confab.Error

---@class confab.Where
---@field status? confab.Status|confab.Status[]
---@field min_score? number  From 0 to 10; conversations without a score are left out.
---@field tier? string
---@field tag? string  Name of a tag.
---@field persona? string

---@class confab.ExportOptions
---@field format? "messages"|"sharegpt"|"alpaca"|"jsonl"  Default: messages.
---@field where? confab.Where
---@field split? table<string, number>|string  `{ train = 0.9, val = 0.1 }` or "train=0.9,val=0.1".
---@field system? "fold"|"keep"  Of sharegpt (default: fold).
---@field seed? integer  Of the split (default: 0).
---@field truncated? boolean  Also conversations that were cut off.

---@class confab.Exported
---@field written integer
---@field skipped integer  That the format cannot carry.
---@field skipped_by table<string, integer>
---@field trimmed integer
---@field folded integer
---@field held_back table<string, integer>  What the filter's defaults left out.
---@field files string[]
---@field written_to integer[]  By file.
---@field summary string

---@class confab.Run
---@field id string  UUID.
---@field name string
---@field state string
---@field summary string  A few lines for people.
---@field account confab.Account
local Run = {}

--- The conversations of the run, in the order of its items: `for conv in run:results() do ... end`.
---@param where? confab.Where
---@return fun(): confab.Conversation?
function Run:results(where) end

--- Failures by kind and message, most frequent first, each with an example. Messages that differ in numbers and in what
--- is quoted are one.
---@return { kind: string, count: integer, key: string, message: string }[]
function Run:failures() end

--- Writes the conversations to a dataset file. A simulated run writes NAME.simulated.jsonl.
---@param path string  "data-{split}.jsonl" gives a file for each split.
---@param opts? confab.ExportOptions
---@return confab.Exported
function Run:export(path, opts) end

--- Writes one HTML file about the run, for those who decide whether its conversations are good enough: what came of
--- the items, scores, rules, cost, failures, sample conversations. A simulated run writes NAME.simulated.html.
---@param path string
---@return string path  Where it is.
function Run:report(path) end

--- Begins a run that `confab repl SCRIPT` has only defined, or goes on with it; returns when all are done.
---@return confab.Run self
function Run:start() end

--- Works through the items; returns when all are done.
---@param opts confab.RunOptions
---@return confab.Run
function confab.run(opts) end

-- Limits, retries, money

---@class confab.Amounts
---@field requests? integer  Default: 1.
---@field input? integer  Tokens (default: 0).
---@field output? integer  Tokens (default: 0).

---@class confab.LimitStatus
---@field used integer  Requests in the window.
---@field remaining integer
---@field limit integer
---@field reset_ms integer  Until the window is empty, if nothing more is sent.
---@field wait_ms? integer  Until one more could go; absent if that depends on a release.
---@field queued integer
---@field in_flight integer
---@field paused_until? number  Unix seconds; absent without a pause.
---@field source string  Where the limit comes from: "default", "config".
---@field input? { used: integer, limit: integer }  Tokens, where they are limited.
---@field output? { used: integer, limit: integer }

---@class confab.Limiter
local Limiter = {}

--- Waits for its turn and takes it: what it takes counts as sent now.
--- Raises a rate_limit_error with retry_after where there is no queue.
---@param key? string  The lane (default: "default").
---@param amounts? confab.Amounts
function Limiter:acquire(key, amounts) end

--- The same for a call that is then in flight until it is released.
---@param key? string
---@param amounts? confab.Amounts
---@return confab.Reservation
function Limiter:reserve(key, amounts) end

--- Waits until a call would go at once; takes nothing.
---@param key? string
function Limiter:wait_for_capacity(key) end

--- How a lane stands.
---@param key? string  The lane (default: "default").
---@return confab.LimitStatus
function Limiter:status(key) end

--- Forgets what the lane has counted, its pause and its pace.
---@param key? string
---@return integer queued  How many wait in it.
function Limiter:reset(key) end

--- The same for every lane.
---@return integer queued
function Limiter:clear_all() end

--- A call that was let through. To be released; may be a `<close>` variable.
---@class confab.Reservation
local Reservation = {}

--- The request was written whole: the window counts from here.
function Reservation:sent() end

--- What the call really used, in place of what was reserved. Before the release.
---@param amounts confab.Amounts
function Reservation:settle(amounts) end

---@alias confab.Release
---| "done"        # A reply came: all of it counts.
---| "never_sent"  # Nothing counts.
---| "failed"      # The server saw it and made no reply: request and input count.
---| "unknown"     # Nobody knows: all of it counts.

--- The call is over.
---@param how? confab.Release  Default: "done".
function Reservation:release(how) end

--- The server refused it with a 429: pauses the whole lane, waits, and has its turn again first.
---@param wait_ms? integer  What the server asked for (default: 0).
function Reservation:refused(wait_ms) end

--- A limiter with these limits for each of its lanes, for a script's own use.
---@param opts? confab.Limits
---@return confab.Limiter
function confab.limiter(opts) end

---@alias confab.RetryVerdict
---| "retry"      # Try again after the delay.
---| "wait"       # The same for a 429, which is no failed attempt.
---| "fail_item"  # This call cannot succeed, or its attempts are used up.
---| "key_out"    # No call with this key can.
---| "stop_run"   # No call can: unknown model, wrong address.
---| "cancelled"

---@class confab.RetryStep
---@field verdict confab.RetryVerdict
---@field attempt integer  The number of the attempt that failed, from 1.
---@field reason string  Such as "rate limit" or "server error".

---@class confab.Failure
---@field status? integer  HTTP status.
---@field retry_after? number  Seconds that the server asked for.
---@field type? string  The reply's error.type.
---@field code? string  The reply's error.code.
---@field message? string
---@field retryable? boolean  false: not tried again whatever the status.

---@class confab.RetryManager
local RetryManager = {}

--- Counts a failure. Returns how long to wait before the next attempt, or nil if there is to be
--- none; and why, unless the failure never had to do with a server.
---@param error confab.Error|confab.Failure
---@return integer? delay_ms
---@return confab.RetryStep? step
function RetryManager:next(error) end

--- The delay before retry n, jitter included.
---@param n integer  From 1.
---@param retry_after? number  Seconds that the server asked for.
---@return integer delay_ms
function RetryManager:delay(n, retry_after) end

--- Failures counted so far.
---@return integer
function RetryManager:attempts() end

--- Begins anew.
function RetryManager:reset() end

--- A retry for one call: says after each failure whether to try again, and after how long.
---@param opts? confab.RetryOptions
---@return confab.RetryManager
function confab.retry(opts) end

--- How the limiter of this script's calls stands.
---@param key? string  Name of a key (default: the first).
---@return confab.LimitStatus? status  nil: there is no key of that name.
function confab.rate_limit_status(key) end

--- Forgets what the limiter has counted so far.
---@param key? string  Name of a key (default: all).
---@return boolean found
function confab.reset_rate_limiter(key) end

--- Prices are decimal text or numbers, in US dollars per million tokens.
---@class confab.Prices
---@field input string|number
---@field output string|number
---@field cache_write_5m? string|number
---@field cache_write_1h? string|number
---@field cache_read? string|number
---@field batch_input? string|number
---@field batch_output? string|number

---@class confab.PriceTier: confab.Prices
---@field threshold_prompt_tokens integer  A longer prompt is priced so, all of its request.

---@class confab.ModelPrice: confab.Prices
---@field tiers? confab.PriceTier[]  By rising threshold.

---@class confab.TokenCounts
---@field input? integer  Tokens neither read from the cache nor written to it.
---@field output? integer
---@field cache_write_5m? integer
---@field cache_write_1h? integer
---@field cache_read? integer
---@field batch? boolean  At batch prices.
---@field us? boolean  Served in the US only, at 1.1 times the price.

--- What tokens cost in dollars; nil if it is not known. The second result is exact: 10^-12 dollars.
---@param input integer|confab.TokenCounts  Input tokens, or all kinds of tokens in a table.
---@param output? integer  Output tokens; nil with a table.
---@param model string|confab.ModelPrice  A model's name, a table of prices, or "free".
---@return number? dollars
---@return integer? pico_dollars
function confab.cost(input, output, model) end

--- The expected number of tokens of a text.
---@param text string
---@return integer
function confab.estimate_tokens(text) end

---@class confab.Range
---@field low number
---@field expected number
---@field high number

---@class confab.LimitInForce
---@field requests integer  In a window.
---@field input_tokens? integer
---@field output_tokens? integer
---@field window_ms integer
---@field source "default"|"configured"|"learnt"|"simulator"

---@class confab.Estimate
---@field run? string  Name of the run, in an estimate of a script.
---@field items integer
---@field sampled? integer  So many of the items were measured.
---@field new_items integer  With a call that would be sent.
---@field stored_items integer  Whose calls are all stored.
---@field failed_items integer  That come to an error before a call.
---@field calls confab.Range  Calls that would be sent.
---@field stored_calls integer
---@field input_tokens confab.Range
---@field output_tokens confab.Range
---@field cost? confab.Range  Dollars; nil: a price is not known.
---@field cost_bound? number  Dollars: the most that these calls may cost.
---@field time_ms confab.Range
---@field disk_bytes confab.Range
---@field limit? confab.LimitInForce
---@field basis string[]  What the numbers come from.
---@field covers string[]  What they leave out.

---@class confab.EstimateOptions
---@field items confab.Sequence|any[]
---@field template confab.Template
---@field accept? integer  Only until so many are accepted.
---@field tries? integer  Default: 1.
---@field seed? integer  Of the sample, where there are more than 1,000 items (default: 0).
---@field concurrency? integer  Items in work at once.

--- What asking a template for each item would take, without asking.
---@param opts confab.EstimateOptions
---@return confab.Estimate
function confab.estimate(opts) end

-- The database

--- planned = accepted + needs_revision + failed + pending + skipped.
---@class confab.Account
---@field planned integer
---@field accepted integer
---@field needs_revision integer
---@field failed integer
---@field pending integer
---@field skipped integer
---@field orphans integer
---@field calls integer
---@field attempts integer
---@field replies integer
---@field failures integer
---@field spent number  Dollars.
---@field at_risk number  Dollars.
---@field spent_pico integer  10^-12 dollars.
---@field at_risk_pico integer  10^-12 dollars.
---@field unknown_cost_replies integer
---@field input_tokens integer
---@field output_tokens integer
---@field cache_write_5m_tokens integer
---@field cache_write_1h_tokens integer
---@field cache_read_tokens integer
---@field thinking_tokens integer

---@class confab.StoredRun
---@field id string  UUID.
---@field row integer
---@field name string
---@field generation integer
---@field provider string
---@field simulated boolean
---@field state string
---@field state_reason? string
---@field model? string
---@field account confab.Account
---@field created_at string

---@class confab.store.Where: confab.Where
---@field run? string|integer|confab.Run  A run: its id, its name (newest generation), or the Run itself.
---@field simulated? boolean  true: only simulated ones; false: only real ones; absent: both.
---@field superseded? boolean  Also those that no longer count: older versions, orphans, surplus.

---@class confab.Store
confab.store = {}

--- Iterates over stored conversations in order of the plan, one in memory at a time.
---@param opts? { where?: confab.store.Where }
---@return fun(): confab.Conversation? next
function confab.store:conversations(opts) end

--- All runs, newest first.
---@return confab.StoredRun[]
function confab.store:runs() end

--- The rows of a query as tables by column name; NULL columns are absent. Reads only.
---@param query string
---@param ... any  Values of the query's `?`, in their order.
---@return table<string, any>[]
function confab.store:sql(query, ...) end

-- JSON

---@class confab.Json
confab.json = {}

--- The value of a JSON text. Raises a parse_error with line and column.
---@param text string
---@return any
function confab.json.decode(text) end

--- The JSON of a value, object keys in order of their bytes.
---@param value any
---@param opts? { indent?: integer }  Spaces a level, 0 to 16 (default: 0, one line).
---@return string
function confab.json.encode(value, opts) end

--- Marks a table (default: a new one) as an array and returns it.
---@param list? any[]
---@return any[]
function confab.json.array(list) end

--- JSON's null, the same value everywhere.
---@type userdata
confab.null = nil

-- JSON Schema

---@class confab.schema.Fault
---@field path string  JSON pointer to what does not fit, such as "/turns/3/role"; "" is the whole value.
---@field reason string

---@class confab.Schema
confab.schema = {}

--- Whether a value fits a JSON Schema: true, or false and what does not fit; tostring of that is a line. Raises a
--- config_error for a keyword that is not supported.
---@param value any
---@param schema table|string|boolean  A table, or JSON text.
---@return boolean ok
---@return confab.schema.Fault[]? faults
function confab.schema.check(value, schema) end

-- Errors

---@alias confab.ErrorKind
---| "api_error"          # The provider, or the way to it, failed.
---| "rate_limit_error"   # The limiter refused.
---| "parse_error"        # A text could not be understood.
---| "validation_error"   # Understood, but not a valid conversation.
---| "refusal"            # The model declined.
---| "budget_error"       # The budget does not allow it.
---| "config_error"       # Wrong use, option, file or setting.
---| "script_error"       # A mistake in the script.
---| "storage_error"      # Database or disk.
---| "cancelled"          # Stopped on request.

---@class confab.Error
---@field kind confab.ErrorKind
---@field message string
---@field retryable boolean
---@field status? integer  HTTP status, if a reply arrived.
---@field retry_after? number  Seconds that the server asked for.
---@field details? table
---@field file? string  Where the mistake is: an input file or a script.
---@field line? integer
---@field byte? integer  Offset in the file, from 0.
---@field traceback? string

return confab
