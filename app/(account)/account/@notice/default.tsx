/** Where no address says otherwise, nothing is to be told. */
export default function NoNotice() {
  return null
}
