// Generated from schemas/*.schema.json by tools/generate-dataset-types.ts. Do not edit.

export interface Address {
  sourceRecordId: string
  addressCode: string
  codeScheme: 'GA_LOCAL' | 'GBT39609' | 'LZ_LOCAL' | 'OTHER'
  parentAddressCode?: string
  level: 'COMMUNITY' | 'STREET' | 'COMPOUND' | 'DOORPLATE' | 'BUILDING' | 'UNIT' | 'FLOOR' | 'ROOM'
  divisionCode: string
  townCode?: string
  communityCode: string
  gridCode: string
  street?: string
  streetNo?: string
  compound?: string
  building?: string
  unit?: string
  room?: string
  villageGroup?: string
  fullAddress: string
  lon?: number
  lat?: number
  crs?: 'CGCS2000' | 'WGS84' | 'GCJ02' | 'BD09'
  realEstateUnitNo?: string
  status: 'ACTIVE' | 'DEMOLISHED' | 'RENAMED' | 'UNDER_CONSTRUCTION'
  validFrom?: string
  validTo?: string
}
export interface Entity {
  sourceRecordId: string
  uscc: string
  name: string
  entityKind:
    | 'ENTERPRISE'
    | 'INDIVIDUAL'
    | 'COOPERATIVE'
    | 'GOVERNMENT'
    | 'INSTITUTION'
    | 'SOCIAL_ORGANISATION'
    | 'PRIVATE_NON_ENTERPRISE'
    | 'FOUNDATION'
    | 'COMMITTEE'
    | 'COLLECTIVE'
    | 'RELIGIOUS_SITE'
    | 'SCHOOL'
    | 'HOSPITAL'
    | 'OTHER'
  orgTypeCode?: string
  industryCode?: string
  registerStatus: 'ACTIVE' | 'CANCELLED' | 'REVOKED' | 'SUSPENDED' | 'MOVED_OUT'
  establishDate?: string
  registeredAddress?: string
  operatingAddressCode?: string
  gridCode: string
  legalRepName?: string
  legalRepCertNumber?: string
  contactName?: string
  contactPhone?: string
  employees?: number
  businessScope?: string
  isNinePlaces?: boolean
  registerAuthority?: string
}
export interface Grid {
  sourceRecordId: string
  gridCode: string
  gridName: string
  gridKind: 'COMPREHENSIVE' | 'EXCLUSIVE' | 'MICRO'
  exclusiveType?: 'RIVER_ECO' | 'HERITAGE' | 'CROWD_PLACE' | 'LARGE_UNIT' | 'OTHER'
  settlement?: 'URBAN' | 'RURAL'
  communityCode: string
  households?: number
  population?: number
  managerName?: string
  managerPhone?: string
  managerKind?: 'FULL_TIME' | 'PART_TIME'
  supervisePhone?: string
  hostUnitUscc?: string
  filingStatus?: 'NOT_FILED' | 'FILED' | 'CHANGE_PENDING'
  validFrom?: string
  validTo?: string
}
export interface Housing {
  sourceRecordId: string
  houseId: string
  realEstateUnitNo?: string
  addressCode: string
  fullAddress: string
  gridCode: string
  buildingName?: string
  floor?: string
  room?: string
  usage?: string
  structure?: 'STEEL' | 'STEEL_CONCRETE' | 'MIXED' | 'BRICK_WOOD' | 'OTHER'
  areaSqm?: number
  isRental?: boolean
  rentalUse?: string
  hazardType?: string
  ownerKind?: 'PERSON' | 'ORG'
  ownerCertType?: string
  ownerCertNumber?: string
  ownerName?: string
  ownerPhone?: string
  ownerUscc?: string
  houseStatus?: 'SELF_OCCUPIED' | 'RENTED' | 'VACANT' | 'DEMOLISHED'
  lon?: number
  lat?: number
  remark?: string
}
export interface LifeEvent {
  sourceRecordId: string
  eventKind: 'BIRTH' | 'DEATH'
  eventDate: string
  certType?: string
  certNumber?: string
  name?: string
  sex?: string
  birthDate: string
  divisionCode: string
  gridCode?: string
}
export interface Matter {
  sourceRecordId: string
  matterNo: string
  matterKind: string
  topic: string
  place?: string
  divisionCode: string
  gridCode?: string
  isUrgent?: boolean
  stage: 'REPORTED' | 'ACCEPTED' | 'NOT_ACCEPTED' | 'DISPATCHED' | 'HANDLING' | 'DONE' | 'FEEDBACK' | 'WITHDRAWN'
  receivedDate: string
  deadline?: string
  closedDate?: string
  handlingUnit?: string
  result?: string
}
export interface OrganisationLicence {
  sourceRecordId: string
  uscc: string
  unitName: string
  licenceKind: string
  licenceNo: string
  validFrom?: string
  validTo?: string
  status: 'VALID' | 'EXPIRED' | 'SUSPENDED' | 'REVOKED' | 'CANCELLED'
  issuingAuthority?: string
  gridCode?: string
}
export interface PersonStatus {
  sourceRecordId: string
  certType: string
  certNumber: string
  name: string
  statusKind: string
  status: 'YES' | 'NO' | 'SUSPENDED' | 'ENDED'
  validFrom?: string
  validTo?: string
  divisionCode: string
  gridCode?: string
}
export interface Person {
  sourceRecordId: string
  certType: string
  certNumber: string
  name?: string
  sex?: string
  birthDate?: string
  ethnicity?: string
  lifeStatus?: 'ALIVE' | 'DECEASED' | 'MOVED_OUT' | 'CANCELLED'
  deathDate?: string
  residentKind?: 'REGISTERED' | 'FLOATING' | 'OVERSEAS' | 'HMT' | 'UNSETTLED'
  registeredDivision?: string
  registeredAddress?: string
  residenceAddressCode?: string
  residenceAddress?: string
  gridCode?: string
  houseId?: string
  phone?: string
  workplace?: string
  education?: string
  maritalStatus?: string
}
export interface Resident {
  sourceRecordId: string
  certType: string
  certNumber: string
  name: string
  sex: string
  birthDate?: string
  ethnicity?: string
  residentKind: 'REGISTERED' | 'FLOATING' | 'OVERSEAS' | 'HMT' | 'UNSETTLED'
  householdConsistency?: string
  householdNo?: string
  relationToHead?: string
  registeredDivision?: string
  registeredAddress?: string
  residenceAddressCode?: string
  residenceAddress?: string
  gridCode: string
  houseId?: string
  residenceSince?: string
  residenceReason?: string
  residenceKind?: string
  permitType?: string
  permitNo?: string
  permitExpiry?: string
  phone?: string
  workplace?: string
  occupationCode?: string
  education?: string
  maritalStatus?: string
  politicalStatus?: string
  lifeStatus: 'ALIVE' | 'DECEASED' | 'MOVED_OUT' | 'CANCELLED'
}
export interface Site {
  sourceRecordId: string
  siteKind: string
  name: string
  uscc?: string
  unitName?: string
  address: string
  gridCode: string
  lon?: number
  lat?: number
  crs?: 'CGCS2000' | 'WGS84' | 'GCJ02' | 'BD09'
  level?: string
  deadline?: string
  status: 'ACTIVE' | 'HAZARD_FOUND' | 'RECTIFYING' | 'RECTIFIED' | 'CLOSED'
}
