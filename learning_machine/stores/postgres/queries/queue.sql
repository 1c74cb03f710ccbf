-- name: waiting
-- The job that waits under this lock, kept from starting until we commit. A worker skips locked rows.
select id from procrastinate_jobs where queueing_lock = %(lock)s and status = 'todo' for update;

-- name: depth
select count(*) filter (where status = 'todo' and (scheduled_at is null or scheduled_at <= now())) as waiting,
       count(*) filter (where status = 'todo' and scheduled_at > now()) as later,
       count(*) filter (where status = 'doing') as running,
       count(*) filter (where status = 'failed') as parked,
       min(e.at) filter (where status = 'todo') as oldest
from procrastinate_jobs j
left join lateral (select min(at) as at from procrastinate_events where job_id = j.id and type = 'deferred') e on j.status = 'todo'
where queue_name = %(queue)s;

-- name: pending
-- Whether anything of a machine still waits or runs.
select exists (select from procrastinate_jobs where queue_name = %(queue)s and status in ('todo', 'doing')) as pending;
