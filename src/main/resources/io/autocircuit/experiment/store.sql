-- The store of an experiment: one SQLite file. docs/results.md explains it.
CREATE TABLE info (
  name TEXT PRIMARY KEY,                 -- title, created, library
  value TEXT NOT NULL
) WITHOUT ROWID;

-- where runs were computed
CREATE TABLE machines (
  id INTEGER PRIMARY KEY,
  host TEXT NOT NULL,
  system TEXT NOT NULL,
  processor TEXT NOT NULL,
  cores INTEGER NOT NULL,
  java TEXT NOT NULL,
  library TEXT NOT NULL,
  libtorch TEXT NOT NULL,
  UNIQUE (host, system, processor, cores, java, library, libtorch)
);

-- one row for each cell
CREATE TABLE runs (
  id INTEGER PRIMARY KEY,
  run TEXT NOT NULL UNIQUE,              -- SHA-256 of the run's canonical JSON
  cell TEXT NOT NULL,                    -- the same without the version of the library
  status TEXT NOT NULL CHECK (status IN ('waiting', 'done', 'failed')),
  place INTEGER NOT NULL,                -- order of the experiment
  task TEXT NOT NULL,
  algorithm TEXT NOT NULL,               -- key
  label TEXT NOT NULL,                   -- title, and the settings that have several values
  ablation TEXT NOT NULL,
  patch_type TEXT NOT NULL,
  seed INTEGER NOT NULL,
  spec TEXT,                             -- run.json; NULL where none could be made
  edges INTEGER,                         -- of the graph
  official_edges INTEGER,                -- of the known circuit
  prompts INTEGER,                       -- that judged
  score_prompts INTEGER,
  verdict TEXT,
  scores TEXT,                           -- file, from this directory
  page TEXT,                             -- file, from this directory
  machine INTEGER REFERENCES machines (id),
  device TEXT,
  kernels TEXT,
  threads INTEGER,
  started TEXT,                          -- ISO 8601, UTC
  finished TEXT
);
CREATE INDEX runs_by_cell ON runs (cell);

CREATE TABLE settings (
  run_id INTEGER NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
  scope TEXT NOT NULL,                   -- algorithm, graph, run
  name TEXT NOT NULL,
  value TEXT NOT NULL,
  PRIMARY KEY (run_id, scope, name)
) WITHOUT ROWID;

CREATE TABLE metrics (
  metric TEXT PRIMARY KEY,
  title TEXT NOT NULL,
  description TEXT NOT NULL,
  lower_is_better INTEGER NOT NULL,
  log_x INTEGER NOT NULL,
  log_y INTEGER NOT NULL
) WITHOUT ROWID;

-- a metric of a circuit
CREATE TABLE measurements (
  id INTEGER PRIMARY KEY,
  run_id INTEGER NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
  metric TEXT NOT NULL REFERENCES metrics (metric),
  edges INTEGER NOT NULL,                -- of the circuit
  value REAL,                            -- NULL for what is no number
  UNIQUE (run_id, metric, edges)
);

-- the same on single prompts, before they are combined
CREATE TABLE prompt_measurements (
  measurement_id INTEGER NOT NULL REFERENCES measurements (id) ON DELETE CASCADE,
  prompt INTEGER NOT NULL,               -- index in the prompt file, from 0
  value REAL,
  PRIMARY KEY (measurement_id, prompt)
) WITHOUT ROWID;

CREATE TABLE circuits (
  run_id INTEGER NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
  edges INTEGER NOT NULL,
  live_edges INTEGER NOT NULL,           -- that can change the output
  found TEXT,                            -- what the algorithm says of it, where it arrived at it
  PRIMARY KEY (run_id, edges)
) WITHOUT ROWID;

CREATE TABLE roc_points (
  run_id INTEGER NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
  point INTEGER NOT NULL,                -- from 0
  false_positive_rate REAL NOT NULL,
  true_positive_rate REAL NOT NULL,
  PRIMARY KEY (run_id, point)
) WITHOUT ROWID;

CREATE TABLE completeness (
  run_id INTEGER NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
  edges INTEGER NOT NULL,
  knocked_out INTEGER NOT NULL,
  normal REAL,                           -- KL(model || circuit), nats
  knockout REAL,                         -- the same with the knockouts in both
  PRIMARY KEY (run_id, edges)
) WITHOUT ROWID;

-- the share of their best edges that two cells have in common
CREATE TABLE IF NOT EXISTS similarity (
  run_id INTEGER NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
  other_id INTEGER NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
  edges INTEGER NOT NULL,                -- of each
  share REAL,                            -- NULL where ties leave no circuit of that size
  PRIMARY KEY (run_id, other_id, edges)
) WITHOUT ROWID;

-- where a measurement would lie on other prompts
CREATE TABLE IF NOT EXISTS intervals (
  measurement_id INTEGER PRIMARY KEY REFERENCES measurements (id) ON DELETE CASCADE,
  low REAL NOT NULL,                     -- of 95 %, by the bootstrap (BCa)
  high REAL NOT NULL
);

-- numbers of all circuits of a run together
CREATE TABLE IF NOT EXISTS areas (
  run_id INTEGER NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
  area TEXT NOT NULL,                    -- cpr, cmd, exact_cpr, exact_cmd, auroc, auroc_mib
  metric TEXT NOT NULL,                  -- empty of auroc and auroc_mib
  value REAL NOT NULL,
  low REAL,                              -- of its 95 % interval; NULL where there is none
  high REAL,
  PRIMARY KEY (run_id, area, metric)
) WITHOUT ROWID;

-- how circuits were chosen, in the order of what was asked for
CREATE TABLE IF NOT EXISTS selections (
  run_id INTEGER NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
  place INTEGER NOT NULL,                -- from 0
  threshold REAL,                        -- NULL where a number of edges was asked for
  chosen INTEGER NOT NULL,               -- edges before pruning
  edges INTEGER NOT NULL,                -- edges left
  PRIMARY KEY (run_id, place)
) WITHOUT ROWID;

-- a hypothesis test of a circuit
CREATE TABLE IF NOT EXISTS circuit_tests (
  run_id INTEGER NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
  edges INTEGER NOT NULL,                -- of the circuit
  test TEXT NOT NULL,                    -- equivalence, independence, minimality, same_size, capacity
  p REAL NOT NULL,                       -- of minimality the least of its edges, by Holm's method
  rejected INTEGER NOT NULL,             -- whether p is below the level that was asked for
  PRIMARY KEY (run_id, edges, test)
) WITHOUT ROWID;

-- all that these tests found
CREATE TABLE IF NOT EXISTS circuit_test_details (
  run_id INTEGER NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
  edges INTEGER NOT NULL,
  details TEXT NOT NULL,                 -- JSON, as of a circuit in tests.json
  PRIMARY KEY (run_id, edges)
) WITHOUT ROWID;

CREATE TABLE timings (
  run_id INTEGER NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
  what TEXT NOT NULL,                    -- plain, score, judge, total
  seconds REAL NOT NULL,
  PRIMARY KEY (run_id, what)
) WITHOUT ROWID;

CREATE TABLE notices (
  run_id INTEGER NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
  line INTEGER NOT NULL,
  text TEXT NOT NULL,
  PRIMARY KEY (run_id, line)
) WITHOUT ROWID;

-- every failure, also of cells that were done later
CREATE TABLE failures (
  id INTEGER PRIMARY KEY,
  run TEXT NOT NULL,
  cell TEXT NOT NULL,                    -- for people
  message TEXT NOT NULL,
  details TEXT NOT NULL,                 -- stack trace; empty for what the user can mend
  machine INTEGER REFERENCES machines (id),
  failed TEXT NOT NULL
);

CREATE INDEX failures_by_run ON failures (run, id);

-- cells that a process is working on
CREATE TABLE claims (
  run TEXT PRIMARY KEY,
  host TEXT NOT NULL,
  pid INTEGER NOT NULL,
  process_started TEXT NOT NULL,
  claimed TEXT NOT NULL,
  renewed TEXT NOT NULL
) WITHOUT ROWID;

CREATE VIEW results AS
  SELECT r.run, r.task, r.algorithm, r.label, r.ablation, r.patch_type, r.seed,
         m.metric, m.edges, m.value
  FROM measurements m JOIN runs r ON r.id = m.run_id
  WHERE r.status = 'done'
  ORDER BY r.place, m.id;

CREATE VIEW prompt_results AS
  SELECT r.run, r.task, r.algorithm, r.label, r.ablation, r.patch_type, r.seed,
         m.metric, m.edges, p.prompt, p.value
  FROM prompt_measurements p
  JOIN measurements m ON m.id = p.measurement_id
  JOIN runs r ON r.id = m.run_id
  WHERE r.status = 'done';
