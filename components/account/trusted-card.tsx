import { getTranslations } from 'next-intl/server'
import type { FormState } from '@/app/_lib/guard'
import type { DeviceRow } from '@/lib/sessions'
import { Badge } from '../ui/badge'
import { Card } from '../ui/card'
import { DeviceIcon } from '../ui/device-icon'
import { Facts, Row, Rows } from '../ui/rows'
import { SubmitButton } from '../ui/submit-button'
import { longDate, RelativeTime } from '../ui/time'
import { ActionForm } from './action-form'
import { answerIcons } from './icons'
import { deviceName } from './words'

interface Props {
  /** Those that are trusted now. */
  devices: readonly (DeviceRow & { trustedUntil: Date })[]
  currentId: string | null
  forget: (previous: FormState | null, form: FormData) => Promise<FormState>
  timeZone: string
  now: number
}

/** Browsers that skip the second step, until when, and the way to end that. */
export async function TrustedCard({ devices, currentId, forget, timeZone, now }: Props) {
  const [t, ui] = await Promise.all([getTranslations('security.trusted'), getTranslations('ui')])
  return (
    <Card id="trusted" title={t('title')} lead={t('text')} flush>
      <Rows label={t('title')}>
        {
          await Promise.all(
            devices.map(async (device) => {
              const name = await deviceName({ ...device, deviceName: device.name })
              const current = device.id === currentId
              return (
                <Row
                  key={device.id}
                  className="roomy"
                  start={<DeviceIcon kind={device.kind} current={current} />}
                  title={
                    <span className="flex flex-wrap items-center gap-x-2.5 gap-y-1">
                      <span className="wrap-anywhere">{name}</span>
                      {current ? <Badge kind="brand">{t('this')}</Badge> : null}
                    </span>
                  }
                  end={
                    <ActionForm action={forget} icons={answerIcons}>
                      <input type="hidden" name="id" value={device.id} />
                      <SubmitButton
                        look="secondary"
                        size="sm"
                        workingLabel={ui('working')}
                        aria-label={t('forget_named', { device: name })}
                      >
                        {t('forget')}
                      </SubmitButton>
                    </ActionForm>
                  }
                >
                  <Facts
                    items={[
                      { term: t('until'), value: await longDate(device.trustedUntil, timeZone) },
                      {
                        term: t('last_seen'),
                        value: <RelativeTime at={device.lastSeenAt} timeZone={timeZone} now={now} />,
                      },
                    ]}
                  />
                </Row>
              )
            }),
          )
        }
      </Rows>
    </Card>
  )
}
