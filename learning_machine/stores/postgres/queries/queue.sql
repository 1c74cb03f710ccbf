-- name: read
-- Queue the reading of a thread: whether that took a new job.
select queue_reading(%(machine)s, %(space)s, %(turn)s::uuid, %(session)s, %(delay)s::float8, %(postpone)s) as queued;

-- name: turn
-- The same for a turn that was just recorded, in its thread's window.
select queue_turn(%(machine)s, %(space)s, %(turn)s::uuid, %(session)s, %(delay)s::float8, %(most_turns)s::int, %(most_tokens)s::int);

-- name: hasten_all
-- Whoever waits for the queue does not wait for its windows. What failed keeps its pause.
update procrastinate_jobs j set scheduled_at = null
where queue_name = %(queue)s and status = 'todo' and scheduled_at > now()
  and not exists (select from job_error e where e.space = (j.args ->> 'space')::bigint and e.turn = (j.args ->> 'turn')::uuid);

-- name: left
-- Jobs that nobody works on and that were not read, kept from other sweeps until we commit: their worker is gone or silent
-- (then they were broken off), or the job ended by an error of the queue itself (what cannot be read ends by being parked,
-- which is no error).
select j.id, j.status = 'doing' as broken_off, j.args ->> 'machine' as machine, (j.args ->> 'space')::bigint as space,
       (j.args ->> 'turn')::uuid as turn
from procrastinate_jobs j left join procrastinate_workers w on w.id = j.worker_id
where j.queue_name = any (%(queues)s) and (%(id)s::bigint is null or j.id = %(id)s)
  and (j.status in ('failed', 'aborted')
       or (j.status = 'doing' and (w.id is null or w.last_heartbeat < now() - make_interval(secs => %(silent)s::float8))))
for update of j skip locked;

-- name: held
select id from procrastinate_jobs where worker_id = %(worker)s and status = 'doing' for update skip locked;

-- name: requeue
-- As another job: a worker that was only slow ends the one it has, and with it went what waits under the same id.
with held as (delete from procrastinate_jobs where id = %(id)s returning *)
insert into procrastinate_jobs (queue_name, task_name, priority, lock, queueing_lock, args, attempts)
select queue_name, task_name, priority, lock, queueing_lock, args, attempts + 1 from held;

-- name: drop
delete from procrastinate_jobs where id = %(id)s;

-- name: depth
-- Parked turns are counted where they are noted; their jobs are gone.
select count(*) filter (where status in ('failed', 'aborted')
                           or status = 'todo' and (scheduled_at is null or scheduled_at <= now())) as waiting,
       count(*) filter (where status = 'todo' and scheduled_at > now()) as later,
       count(*) filter (where status = 'doing') as running,
       (select count(distinct (space, turn)) from job_error where machine = %(machine)s and parked) as parked,
       min(e.at) filter (where status = 'todo') as oldest
from procrastinate_jobs j
left join lateral (select min(at) as at from procrastinate_events where job_id = j.id and type = 'deferred') e on j.status = 'todo'
where queue_name = %(queue)s;

-- name: pending
-- Whether anything of a machine still waits or runs. A job that read its turns is gone, so what is there has not.
select exists (select from procrastinate_jobs where queue_name = %(queue)s) as pending;
