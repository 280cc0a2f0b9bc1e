-- The shard's shared state `S`, its private keys and scheduling tags. Loaded first; every other kernel file receives `S`.
--
-- Invariants
-- * Nothing in `S` is reachable from guest code: handles keep their state under the private keys below, which are
--   tables that no guest ever holds, and every handle's metatable is locked.
-- * Kernel operations allocate first and then commit with plain stores to fields that exist already, so that an
--   allocation failure or a stack overflow in the middle leaves every structure as it was.
-- * Only `S.clock` reads a clock and only `S.seed` is random, so that a workflow shard can replace both.

local os_clock = os.clock

local primitive, prim_numbers, shard, slice, soft, seed, node = ...

local S = {
  prim = primitive,   -- the host's only function: prim(index, ...) -> ok, value
  prim_numbers = prim_numbers,
  shard = shard,      -- index of this shard on its node
  stride = 256,       -- process numbers are k * stride + shard
  last = 0,           -- k of the newest process
  node = node,        -- "" on a node without a name, else "name@"

  cur = false,        -- the process whose task runs now
  task = false,       -- that task; false while none runs
  began = false,      -- when the running task first looked at the clock since it was resumed
  head = false,       -- ready processes, linked through `next`
  tail = false,
  dying = false,      -- ended processes whose relations are still to be told, linked through `dnext`
  dying_tail = false,
  burying = false,    -- while the end of one is being told
  live = 0,

  now = 0,            -- monotonic nanoseconds, set by the host at every run
  started = 0,
  slice = slice,      -- seconds a process may run before it goes behind the others
  hard = 0.5,         -- seconds it may run where it cannot be suspended
  soft = soft,        -- bytes at which the shard looks for a process to blame
  clock = os_clock,

  scramble = 0,       -- addresses are printed with these bits turned
  strict = false,     -- security.strict_mode
  limits = { depth = 200 },

  STEP = 1 << 24,     -- `nt` of a process: its tasks, and above them the steps it has made
  TASKS = (1 << 24) - 1,
  measuring = false,  -- whether processor time is taken of every step (introspection.lua)
}

function S.seed()
  seed = seed * 6364136223846793005 + 1442695040888963407
  return seed
end
S.scramble = S.seed() & 0xffffffffffffff

-- Private keys: state of a handle lives under the key of its class.
S.CHANNEL, S.CASE, S.ERROR, S.TOPIC, S.FROM, S.DATA, S.PAYLOADS = {}, {}, {}, {}, {}, {}, {}
S.VALUE, S.FORMAT, S.FUTURE, S.HANDLE, S.FROZEN, S.LIBRARY = {}, {}, {}, {}, {}, {}
-- Under this key of a metatable stands the class: "handle" (type() says userdata) or "frozen".
S.CLASS = {}
-- Stands where a list will have a gap while `#` is taken (tables.lua); never left in a table.
S.GAP = {}

-- Lua's table of short strings shrinks after a collection that leaves it less than a quarter full and grows again with the
-- garbage of the next cycle. A program with few strings of its own pays for both in every cycle; these fill the quarter
-- (docs/decisions/016-string-table.md).
local ballast = table.create(12000)
for i = 1, 12000 do ballast[i] = "\0" .. i end
S.ballast = ballast

-- What a task says to the scheduler when it yields. Guests cannot forge them: they never hold these tables.
S.WAIT = {}           -- parked: somebody holds the task and will wake it
S.TICK = {}           -- slice used up: resume this very task first
S.TURN = {}           -- let the siblings run, then come back
S.SPAWN = {}          -- a new sibling runs first, then the one that made it
S.KILL = {}           -- never resume
S.READY = {}          -- module body has run; the method is about to be called
S.DONE = {}           -- a call has its result; the coroutine can serve the next one
S.tags = { [S.WAIT] = true, [S.TICK] = true, [S.TURN] = true, [S.SPAWN] = true, [S.KILL] = true, [S.READY] = true, [S.DONE] = true }

return S
