// Breaks what brings the latest to Redis: the position is written before what belongs to it.
import { setTimeout as sleep } from 'node:timers/promises'
import { RedisLink } from '../src/store/redis-driver.ts'

const { together } = RedisLink.prototype
RedisLink.prototype.together = async function (commands) {
  const position = commands.filter(([name, key]) => name === 'set' && key!.endsWith(':position'))
  for (const command of position) await this.run(command)
  await sleep(20)
  await this.run(['unwatch'])
  return together.call(
    this,
    commands.filter(command => !position.includes(command)),
  )
}
